/** How many devices the clients of this instance asked for. */

import type { MessageLog } from "../log/message_log.ts";
import type { Subscribers } from "./subscribers.ts";
import type { StartScheduler } from "./start_scheduler.ts";

/** Devices that are looked at at once: a millisecond. */
const AT_ONCE = 5_000;

export interface MonitoredOptions {
  readonly log: MessageLog;
  readonly startScheduler: StartScheduler;
}

/**
 * Exact at once where few devices have to be looked at. Where many have to, they are counted in
 * steps, and until that is done the count is that of before.
 */
export class MonitoredDevices<T extends object | string> {
  #count = 0;
  /** What the count is of. */
  #changes = -1;
  #devices = -1;
  #isCounting = false;

  constructor(
    private readonly subscribers: Subscribers<T>,
    private readonly options: MonitoredOptions,
  ) {}

  get count(): number {
    const { subscribers, options: { log } } = this;
    const isKnown = this.#changes === subscribers.changes && this.#devices === log.deviceCount;
    if (!isKnown && !this.#isCounting) this.#countAll();
    return this.#count;
  }

  /** Ends in the same turn where there is little to look at. */
  async #countAll(): Promise<void> {
    const { subscribers, options: { log, startScheduler } } = this;
    this.#isCounting = true;
    const { changes } = subscribers;
    const { deviceCount } = log;
    let count = subscribers.named;
    let looks = 0;
    for (const { deviceId } of subscribers.wantsOthers ? log.lastOfAll() : []) {
      if (subscribers.wantsUnnamed(deviceId)) count++;
      if (++looks % AT_ONCE === 0) await startScheduler.pass();
    }
    this.#count = count;
    this.#changes = changes;
    this.#devices = deviceCount;
    this.#isCounting = false;
  }
}
