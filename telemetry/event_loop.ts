/** Watches how late the main thread comes to what is due. */

import { eventLoopWasLate } from "./metrics.ts";

const INTERVAL_MS = 250;

/** Deno's `monitorEventLoopDelay` of node:perf_hooks sees no delay, so a timer of our own does. */
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
