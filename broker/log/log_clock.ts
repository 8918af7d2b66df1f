/** The log's own clock, as one instance knows it. */

import type { Clock } from "../../lib/clock.ts";

/** Where nobody wrote for long, no more than this of that time counts. */
const MAX_STEP_MS = 10_000;
/**
 * A head is at most so late as the clock counts it: what is deleted by the clock has to be older by
 * this, and is then as old since it was stored.
 */
export const PROMPT_MS = 1_000;

/**
 * Runs by the monotonic clocks of whoever writes, so that no two clocks are compared. It runs while
 * commits are under way, or it would stand still where they follow each other without a pause.
 */
export class LogClock {
  /** The log's clock less this instance's. */
  #aheadMs = 0;

  constructor(private readonly clock: Clock) {}

  /** A head, with its time. One that was long under way sets the clock back to it. */
  saw(headTimeMs: number): void {
    const now = this.clock.monotonic();
    const lateMs = now + this.#aheadMs - headTimeMs;
    if (lateMs < 0 || lateMs > PROMPT_MS) this.#aheadMs = headTimeMs - now;
  }

  /** The time of a commit that is made now, on top of a head. */
  next(headTimeMs: number): number {
    const now = this.clock.monotonic();
    this.#aheadMs = Math.min(this.#aheadMs, headTimeMs + MAX_STEP_MS - now);
    return Math.max(headTimeMs, now + this.#aheadMs);
  }
}
