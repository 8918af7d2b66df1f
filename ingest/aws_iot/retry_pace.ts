/** How long to wait before the next try: a few quick retries, then a slow circuit breaker. */

import type { Pace } from "../mqtt/source.ts";

export interface RetryOptions {
  /** Retries after the first failure, before the breaker opens. */
  readonly maxTries?: number | undefined;
  /** The first delay; it doubles with each retry. */
  readonly baseMs?: number | undefined;
  /** The delay while the breaker is open. */
  readonly slowMs?: number | undefined;
}

export const MAX_TRIES = 5;
const BASE_MS = 1_000;
const SLOW_MS = 60_000;
/** Delays vary by a quarter up and down, so that a fleet does not reconnect in step. */
const SPREAD = 0.25;

/** 1, 2, 4, 8, 16 s, then a minute each time, forever; all with jitter. */
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
