/** Replaces all timers of the program by virtual time: nothing waits in real time. */

import type { Scheduler } from "../broker/simulation/scheduler.ts";

/** In effect until it is disposed of. */
export class VirtualTimers implements Disposable {
  readonly #real = {
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    setInterval: globalThis.setInterval,
    clearInterval: globalThis.clearInterval,
  };
  readonly #realNow = performance.now;
  readonly #running = new Set<number>();
  #next = 1;

  constructor(private readonly scheduler: Scheduler) {
    const clear = (id: number | undefined) => void this.#running.delete(id!);
    Object.assign(globalThis, {
      setTimeout: (action: () => unknown, ms = 0) => this.#start(action, ms, false),
      setInterval: (action: () => unknown, ms = 0) => this.#start(action, ms, true),
      clearTimeout: clear,
      clearInterval: clear,
    });
    performance.now = () => scheduler.now;
  }

  #start(action: () => unknown, ms: number, again: boolean): number {
    const id = this.#next++;
    this.#running.add(id);
    const due = () => {
      if (!this.#running.has(id)) return false;
      if (again) this.scheduler.after(ms, due);
      else this.#running.delete(id);
      action();
      return true;
    };
    // A timer of zero length still runs after what is due now.
    this.scheduler.after(Math.max(ms, 0.01), due);
    return id;
  }

  [Symbol.dispose](): void {
    Object.assign(globalThis, this.#real);
    performance.now = this.#realNow;
  }
}
