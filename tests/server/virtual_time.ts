/** Virtual time for tests of timeouts, so that nothing really waits. */

import { Scheduler } from "../broker/simulation/scheduler.ts";
import { VirtualTimers } from "../property/virtual_timers.ts";

/** In force until it is disposed of. Timers are virtual; promises run between them. */
export class VirtualTime implements Disposable {
  readonly #scheduler = new Scheduler();
  readonly #timers = new VirtualTimers(this.#scheduler);

  /** Milliseconds since the start. */
  get now(): number {
    return this.#scheduler.now;
  }

  /** Simulates a thread that is busy for `ms`. */
  work(ms: number): void {
    this.#scheduler.now += ms;
  }

  async pass(ms: number): Promise<void> {
    await this.settle();
    await this.#scheduler.run(() => false, ms);
  }

  /** Lets at most `ms` pass; false if `done` is still false then. */
  async until(done: () => boolean, ms: number): Promise<boolean> {
    await this.settle();
    return await this.#scheduler.run(done, ms);
  }

  /** Lets every promise that can continue do so. */
  async settle(): Promise<void> {
    let isThere = false;
    this.#scheduler.after(0, () => isThere = true);
    await this.#scheduler.run(() => isThere, 0);
  }

  [Symbol.dispose](): void {
    this.#timers[Symbol.dispose]();
  }
}
