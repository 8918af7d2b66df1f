/** What waits for a client whose socket is full: bounded by device and by bytes. */

import { drops } from "../../telemetry/metrics.ts";
import type { Publication } from "../messages/message.ts";

/** Messages of a device that the client will not get. */
export interface Dropped {
  readonly deviceId: string;
  /** Of the first of them. */
  readonly offset: number;
  count: number;
}

export interface QueueLimits {
  readonly maxPerDevice: number;
  readonly maxBytes: number;
}

/**
 * First in, first out. Where a device's share or the whole is full, the new message is dropped and
 * counted. The count stands in the queue where its first message would: whoever reads a later
 * position has been told before.
 */
export class SlowQueue {
  #items: (Publication | Dropped)[] = [];
  #taken = 0;
  #messages = 0;
  #bytes = 0;
  readonly #perDevice = new Map<string, number>();
  /** Counts that go on: no message of their device stands behind them. */
  readonly #counting = new Map<string, Dropped>();

  constructor(private readonly limits: QueueLimits) {}

  get empty(): boolean {
    return this.#taken === this.#items.length;
  }

  get length(): number {
    return this.#messages;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Offset of the first message that waits, or that waits to be told as dropped. */
  get firstOffset(): number | undefined {
    return this.#items[this.#taken]?.offset;
  }

  /** False where the message was dropped. */
  push(publication: Publication): boolean {
    const { deviceId, offset, payload } = publication;
    const queued = this.#perDevice.get(deviceId) ?? 0;
    const isDeviceFull = queued >= this.limits.maxPerDevice;
    if (isDeviceFull || this.#bytes + payload.length > this.limits.maxBytes) {
      drops.count(isDeviceFull ? "queue_max_per_device" : "queue_max_bytes");
      this.#count(deviceId, offset);
      return false;
    }
    this.#counting.delete(deviceId);
    this.#items.push(publication);
    this.#perDevice.set(deviceId, queued + 1);
    this.#messages++;
    this.#bytes += payload.length;
    return true;
  }

  /** The next messages up to a count of dropped ones, or such a count; undefined where all is out. */
  peek(maxMessages: number): readonly Publication[] | Dropped | undefined {
    const first = this.#items[this.#taken];
    if (first === undefined || isCount(first)) return first;
    const messages: Publication[] = [];
    for (let i = this.#taken; i < this.#items.length && messages.length < maxMessages; i++) {
      const item = this.#items[i]!;
      if (isCount(item)) break;
      messages.push(item);
    }
    return messages;
  }

  /** Removes what {@linkcode SlowQueue.peek} showed first: a count, or `messages` messages. */
  shift(messages: number): void {
    const first = this.#items[this.#taken];
    if (first === undefined) return;
    if (isCount(first)) {
      this.#taken++;
      if (this.#counting.get(first.deviceId) === first) this.#counting.delete(first.deviceId);
    } else {for (let i = 0; i < messages; i++) {
        this.#remove(this.#items[this.#taken++] as Publication);
      }}
    if (this.#taken === this.#items.length) {
      this.#items = [];
      this.#taken = 0;
    } else if (this.#taken > 1024 && this.#taken * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#taken);
      this.#taken = 0;
    }
  }

  /** Removes the messages and counts after `offset` of devices that are not wanted. */
  forget(wanted: (deviceId: string) => boolean, after = 0): void {
    const kept: (Publication | Dropped)[] = [];
    for (let i = this.#taken; i < this.#items.length; i++) {
      const item = this.#items[i]!;
      if (wanted(item.deviceId) || item.offset <= after) kept.push(item);
      else if (!isCount(item)) this.#remove(item);
      else if (this.#counting.get(item.deviceId) === item) this.#counting.delete(item.deviceId);
    }
    this.#items = kept;
    this.#taken = 0;
  }

  #count(deviceId: string, offset: number): void {
    const counting = this.#counting.get(deviceId);
    if (counting) {
      counting.count++;
      return;
    }
    const dropped = { deviceId, offset, count: 1 };
    this.#items.push(dropped);
    this.#counting.set(deviceId, dropped);
  }

  #remove({ deviceId, payload }: Publication): void {
    this.#messages--;
    this.#bytes -= payload.length;
    const queued = this.#perDevice.get(deviceId)! - 1;
    if (queued === 0) this.#perDevice.delete(deviceId);
    else this.#perDevice.set(deviceId, queued);
  }
}

function isCount(item: Publication | Dropped): item is Dropped {
  return "count" in item;
}
