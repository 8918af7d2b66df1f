/** A clock that only a test moves. */

import type { Clock } from "../../lib/clock.ts";

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

export class FakeClock implements Clock {
  now = 0;
  #seed = 0;
  #sleepers: Sleeper[] = [];

  monotonic(): number {
    return this.now;
  }

  wall(): number {
    return this.now;
  }

  /** A pseudorandom sequence that is the same in every run. */
  readonly random = (): number => {
    this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#seed / 2 ** 32;
  };

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const sleeper = {
        at: this.now + ms,
        wake: () => {
          this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
          signal.removeEventListener("abort", sleeper.wake);
          resolve();
        },
      };
      this.#sleepers.push(sleeper);
      signal.addEventListener("abort", sleeper.wake);
    });
  }

  /** Advances by `ms`; each sleeper that wakes finishes its work before the next one wakes. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    await settled();
    for (;;) {
      const next = this.#sleepers.reduce<Sleeper | undefined>(
        (first, sleeper) => !first || sleeper.at < first.at ? sleeper : first,
        undefined,
      );
      if (!next || next.at > end) break;
      this.now = Math.max(this.now, next.at);
      next.wake();
      await settled();
    }
    this.now = end;
  }
}

/** Runs pending promise continuations. */
async function settled(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}
