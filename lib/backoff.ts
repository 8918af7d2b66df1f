/** Longer delays after each failure, with jitter so that clients do not return all at once. */

/**
 * Exponential backoff with equal jitter: random between half and all of `baseMs * 2^tries`, or of
 * `maxMs` if that is less. The lower half prevents an immediate retry.
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

/** Counts failures, and computes the delay for each with {@linkcode backoffMs}. */
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
