/** Measures how late the timers of the main thread are. */

import { eventLoopWasLate } from "./metrics.ts";

const INTERVAL_MS = 250;

/** Uses its own timer: Deno's `monitorEventLoopDelay` of node:perf_hooks sees no delay. */
export class EventLoopWatch implements Disposable {
  #due = performance.now() + INTERVAL_MS;
  readonly #timer = setInterval(() => {
    const now = performance.now();
    eventLoopWasLate(now - this.#due);
    this.#due = now + INTERVAL_MS;
  }, INTERVAL_MS);

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
