/** The log's own clock, as one instance knows it. */

import type { Clock } from "../../lib/clock.ts";

/** If nobody wrote for longer than this, only this much of that time counts. */
const MAX_STEP_MS = 10_000;
/**
 * The clock may be ahead of a head by at most this. A frame is deleted only once it is older by
 * this than the retention, so that it has been stored for the whole retention.
 */
export const PROMPT_MS = 1_000;

/**
 * Runs by the monotonic clock of the writing instance, so that clocks are never compared. It also
 * runs while a commit is in flight; otherwise it would stand still when commits follow each other
 * without a pause.
 */
export class LogClock {
  /** The log's clock minus this instance's. */
  #aheadMs = 0;

  constructor(private readonly clock: Clock) {}

  /** Takes the time of a head. A head that took long to commit sets the clock back to its time. */
  saw(headTimeMs: number): void {
    const now = this.clock.monotonic();
    const lateMs = now + this.#aheadMs - headTimeMs;
    if (lateMs < 0 || lateMs > PROMPT_MS) this.#aheadMs = headTimeMs - now;
  }

  /** The time for a commit that is made now, on top of a head. */
  next(headTimeMs: number): number {
    const now = this.clock.monotonic();
    this.#aheadMs = Math.min(this.#aheadMs, headTimeMs + MAX_STEP_MS - now);
    return Math.max(headTimeMs, now + this.#aheadMs);
  }
}
