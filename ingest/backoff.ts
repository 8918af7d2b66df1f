/** Waiting longer after each failure, and not in step with everybody else. */

export interface BackoffOptions {
  readonly minMs: number;
  readonly maxMs: number;
}

/** Exponential delays with jitter: each lies between half and the whole of twice the one before. */
export class Backoff {
  #failures = 0;

  constructor(private readonly options: BackoffOptions) {}

  /** The delay before the next try, in milliseconds. */
  next(): number {
    const { minMs, maxMs } = this.options;
    const whole = Math.min(maxMs, minMs * 2 ** Math.min(this.#failures++, 30));
    return Math.round(whole * (0.5 + Math.random() / 2));
  }

  reset(): void {
    this.#failures = 0;
  }
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
    signal.addEventListener("abort", done);
  });
}
