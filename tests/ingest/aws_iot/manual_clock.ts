/** A clock that stands still until a test advances it. */

import type { Clock } from "../../../lib/clock.ts";

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

export class ManualClock implements Clock {
  #now = 0;
  readonly #sleepers = new Set<Sleeper>();
  /** What random() returns. */
  chance = 0.5;

  constructor(readonly startsAt: number = 1_700_000_000_000) {}

  monotonic(): number {
    return this.#now;
  }

  wall(): number {
    return this.startsAt + this.#now;
  }

  random(): number {
    return this.chance;
  }

  /** The remaining waits of all sleepers in milliseconds, shortest first. */
  get waits(): number[] {
    return [...this.#sleepers].map(({ at }) => at - this.#now).toSorted((a, b) => a - b);
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const wake = () => {
        this.#sleepers.delete(sleeper);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      const sleeper: Sleeper = { at: this.#now + ms, wake };
      this.#sleepers.add(sleeper);
      signal.addEventListener("abort", wake, { once: true });
    });
  }

  /** Advances by `ms` and wakes, in order, all sleepers that are due. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#sleepers].filter(({ at }) => at <= end)
        .toSorted((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#now = Math.max(this.#now, due.at);
      due.wake();
    }
    this.#now = end;
  }
}
