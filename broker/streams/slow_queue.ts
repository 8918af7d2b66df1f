/** The queue of a client whose socket is full, bounded per device and in bytes. */

import { drops } from "../../telemetry/metrics.ts";
import type { Publication } from "../messages/message.ts";

/** Messages of a device that the client will not get. */
export interface Dropped {
  readonly deviceId: string;
  /** Offset of the first one. */
  readonly offset: number;
  count: number;
}

export interface QueueLimits {
  readonly maxPerDevice: number;
  readonly maxBytes: number;
}

/**
 * First in, first out. If a device's share or the whole queue is full, the new message is dropped
 * and counted. The count takes the place of the first dropped message in the queue, so a client
 * learns of the loss before it gets a later position.
 */
export class SlowQueue {
  #items: (Publication | Dropped)[] = [];
  #taken = 0;
  #messages = 0;
  #bytes = 0;
  readonly #perDevice = new Map<string, number>();
  /** Open counts: no message of their device is queued behind them. */
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

  /** Offset of the first message that waits, or whose drop is not reported yet. */
  get firstOffset(): number | undefined {
    return this.#items[this.#taken]?.offset;
  }

  /** False if the message was dropped. */
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

  /** The next messages up to a drop count, or that count; undefined if the queue is empty. */
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

  /** Removes what {@linkcode SlowQueue.peek} returned: a count, or `messages` of the messages. */
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

  /** Removes the messages and counts of unwanted devices whose offset is above `after`. */
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
