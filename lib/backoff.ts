/** Longer waits after each failure, spread so that clients do not come back together. */

/**
 * Exponential back-off with equal jitter: at random between half and the whole of
 * `baseMs * 2^tries`, or of `maxMs` where that is less. The half keeps a retry from coming at once.
 */
export function backoffMs(
  tries: number,
  { baseMs, maxMs, random }: { baseMs: number; maxMs: number; random: () => number },
): number {
  const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(tries, 30));
  return ceiling / 2 + random() * ceiling / 2;
}

export interface BackoffOptions {
  readonly minMs: number;
  readonly maxMs: number;
}

/** Counts failures, and waits for each as {@linkcode backoffMs} says. */
export class Backoff {
  #failures = 0;

  constructor(private readonly options: BackoffOptions) {}

  /** The delay before the next try, in milliseconds. */
  next(): number {
    const { minMs: baseMs, maxMs } = this.options;
    return Math.round(backoffMs(this.#failures++, { baseMs, maxMs, random: Math.random }));
  }

  reset(): void {
    this.#failures = 0;
  }
}
