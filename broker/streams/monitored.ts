/** Counts the devices that the clients of this instance asked for. */

import type { MessageLog } from "../log/message_log.ts";
import type { Subscribers } from "./subscribers.ts";
import type { StartScheduler } from "./start_scheduler.ts";

/** Devices checked in one step, which takes about a millisecond. */
const AT_ONCE = 5_000;

export interface MonitoredOptions {
  readonly log: MessageLog;
  readonly startScheduler: StartScheduler;
}

/**
 * The count is exact at once if few devices have to be checked. Many are counted in steps, and the
 * previous count is returned until that is done.
 */
export class MonitoredDevices<T extends object | string> {
  #count = 0;
  /** The subscribers' `changes` and the log's `deviceCount` at the last count. */
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

  /** Ends in the same turn if there are few devices to check. */
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
