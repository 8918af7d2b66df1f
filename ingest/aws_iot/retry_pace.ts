/** How long to wait before the next try: a few quick ones, then a circuit breaker at a slow pace. */

import type { Pace } from "../mqtt/source.ts";

export interface RetryOptions {
  /** Tries after the first failure, before the breaker opens. */
  readonly maxTries?: number | undefined;
  /** The first delay; each further one is twice as long. */
  readonly baseMs?: number | undefined;
  /** The delay while the breaker is open. */
  readonly slowMs?: number | undefined;
}

export const MAX_TRIES = 5;
const BASE_MS = 1_000;
const SLOW_MS = 60_000;
/** Delays are spread by a quarter to both sides, so that a fleet does not come back in step. */
const SPREAD = 0.25;

/** 1, 2, 4, 8, 16 s, and then once a minute, for ever; each with jitter. */
export class RetryPace implements Pace {
  #failures = 0;

  constructor(
    private readonly options: RetryOptions = {},
    private readonly random: () => number = Math.random,
  ) {}

  next(): number {
    const { maxTries = MAX_TRIES, baseMs = BASE_MS, slowMs = SLOW_MS } = this.options;
    const quick = baseMs * 2 ** Math.min(this.#failures, 30);
    const delay = this.#failures++ < maxTries ? Math.min(quick, slowMs) : slowMs;
    return Math.round(delay * (1 - SPREAD + 2 * SPREAD * this.random()));
  }

  reset(): void {
    this.#failures = 0;
  }
}
