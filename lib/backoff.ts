/** Longer waits after each failure, spread so that clients do not come back together. */

import { backoffMs } from "./clock.ts";

export { sleep } from "./clock.ts";

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
