/** A process that can be paused and killed: it runs only when the scheduler calls it. */

import type { Clock } from "../../../lib/clock.ts";
import type { Random } from "./random.ts";
import type { Action, Scheduler } from "./scheduler.ts";

export class SimProcess {
  #state: "running" | "paused" | "dead" = "running";
  /** Actions that came while it was paused. */
  #held: Action[] = [];
  #pausedAt = 0;
  /** Time that its monotonic clock did not count: the machine was asleep. */
  #asleepMs = 0;
  #sleeping = false;
  #wallOffsetMs = 1_700_000_000_000;
  readonly clock: Clock;

  constructor(private readonly scheduler: Scheduler, private readonly random: Random) {
    const startedAt = random.between(0, 1e6);
    this.clock = {
      monotonic: () => startedAt + this.scheduler.now - this.#asleepMs,
      wall: () => Math.floor(this.#wallOffsetMs + this.scheduler.now),
      sleep: (ms, signal) => this.#sleep(ms, signal),
      random: random.next,
    };
  }

  get state(): "running" | "paused" | "dead" {
    return this.#state;
  }

  /** Runs `action` in the process: later if it is paused by then, never once it is dead. */
  after(delayMs: number, action: Action): void {
    this.scheduler.after(delayMs, () => {
      if (this.#state === "running") return action();
      if (this.#state === "paused") this.#held.push(action);
      return false;
    });
  }

  pause(): void {
    if (this.#state !== "running") return;
    this.#state = "paused";
    this.#pausedAt = this.scheduler.now;
    this.#sleeping = this.random.chance(0.3);
  }

  /** Actions that were held run within moments, in any order. */
  resume(): void {
    if (this.#state !== "paused") return;
    this.#state = "running";
    if (this.#sleeping) this.#asleepMs += this.scheduler.now - this.#pausedAt;
    for (const action of this.#held.splice(0)) this.after(this.random.between(0, 2), action);
  }

  kill(): void {
    this.#state = "dead";
    this.#held = [];
  }

  jumpWall(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  #sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const done = () => {
        signal.removeEventListener("abort", done);
        resolve();
      };
      signal.addEventListener("abort", done, { once: true });
      this.after(ms, done);
    });
  }
}
