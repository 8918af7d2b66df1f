/** Keeps kafkajs from spinning while it has nothing to do. */

import RequestQueue from "kafkajs/src/network/requestQueue/index.js";

interface Queue {
  readonly pending: readonly unknown[];
}

/**
 * kafkajs 2.2.4 sets a timer to look at its pending requests even where none is pending; the delay
 * is then `-1 - Date.now()`, so it fires after 1 ms and sets itself again, on every connection for
 * ever. A request that has to wait sets the timer itself, so without pending requests none is needed.
 */
export function tameRequestQueue(): void {
  const queue = RequestQueue.prototype as { scheduleCheckPendingRequests(this: Queue): void };
  const schedule = queue.scheduleCheckPendingRequests;
  if (typeof schedule !== "function") throw new Error("Cannot tame kafkajs: its queue has changed");
  if (tamed.has(schedule)) return;
  const whenPending = function (this: Queue) {
    if (this.pending.length > 0) schedule.call(this);
  };
  tamed.add(whenPending);
  queue.scheduleCheckPendingRequests = whenPending;
}

const tamed = new WeakSet<() => void>();
