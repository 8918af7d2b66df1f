/** Time as the broker uses it; replaced in tests. */

export interface Clock {
  /** Milliseconds that only rise; differences are durations. */
  monotonic(): number;
  /** Milliseconds since 1970. */
  wall(): number;
  /** Resolves after `ms`, or early when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  random(): number;
}

export const SYSTEM_CLOCK: Clock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener("abort", done, { once: true });
    }),
  random: () => Math.random(),
};

/** Exponential back-off with full jitter: a random wait of up to `baseMs * 2^tries`. */
export function backoffMs(
  tries: number,
  { baseMs, maxMs, random }: { baseMs: number; maxMs: number; random: () => number },
): number {
  const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(tries, 30));
  return ceiling / 2 + random() * ceiling / 2;
}
