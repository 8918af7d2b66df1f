/** Stops kafkajs from using CPU while it is idle. */

import RequestQueue from "kafkajs/src/network/requestQueue/index.js";

interface Queue {
  readonly pending: readonly unknown[];
}

/**
 * kafkajs 2.2.4 sets a timer to check its pending requests even if there are none. The delay is
 * then `-1 - Date.now()`, so the timer fires after 1 ms and sets itself again, forever, on every
 * connection. A request that has to wait sets the timer itself, so without pending requests no
 * timer is needed.
 */
export function tameRequestQueue(): void {
  const queue = RequestQueue.prototype as { scheduleCheckPendingRequests(this: Queue): void };
  const schedule = queue.scheduleCheckPendingRequests;
  if (typeof schedule !== "function") throw new Error("Cannot patch kafkajs: its queue changed");
  if (tamed.has(schedule)) return;
  const whenPending = function (this: Queue) {
    if (this.pending.length > 0) schedule.call(this);
  };
  tamed.add(whenPending);
  queue.scheduleCheckPendingRequests = whenPending;
}

const tamed = new WeakSet<() => void>();
