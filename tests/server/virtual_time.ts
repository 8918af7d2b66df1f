/** Time for a test of what waits: nothing of it is waited for. */

import { Scheduler } from "../broker/simulation/scheduler.ts";
import { VirtualTimers } from "../property/virtual_timers.ts";

/** In force until it is disposed of; timers in it are virtual, promises go on between them. */
export class VirtualTime implements Disposable {
  readonly #scheduler = new Scheduler();
  readonly #timers = new VirtualTimers(this.#scheduler);

  /** Milliseconds since the start. */
  get now(): number {
    return this.#scheduler.now;
  }

  /** The thread is busy for so long. */
  work(ms: number): void {
    this.#scheduler.now += ms;
  }

  async pass(ms: number): Promise<void> {
    await this.settle();
    await this.#scheduler.run(() => false, ms);
  }

  /** Lets `ms` pass at most; false where `done` is not so by then. */
  async until(done: () => boolean, ms: number): Promise<boolean> {
    await this.settle();
    return await this.#scheduler.run(done, ms);
  }

  /** Lets every promise that can go on do so. */
  async settle(): Promise<void> {
    let isThere = false;
    this.#scheduler.after(0, () => isThere = true);
    await this.#scheduler.run(() => isThere, 0);
  }

  [Symbol.dispose](): void {
    this.#timers[Symbol.dispose]();
  }
}
