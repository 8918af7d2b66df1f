/**
 * Time as the broker uses it; replaced in tests.
 *
 * The lib room: small tools without a subject of their own. It imports nothing.
 */

export interface Clock {
  /** Milliseconds that never decrease; only differences are meaningful. */
  monotonic(): number;
  /** Milliseconds since 1970. */
  wall(): number;
  /** Resolves after `ms`, or early when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  random(): number;
}

/** Resolves after `ms`, or at once when `signal` aborts. Never rejects. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}

export const SYSTEM_CLOCK: Clock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  sleep,
  random: () => Math.random(),
};
