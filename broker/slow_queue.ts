/** What waits for a client whose socket is full: bounded by device and by bytes. */

import type { Publication } from "./message.ts";

/** Messages of a device that the client will not get. */
export interface Dropped {
  readonly deviceId: string;
  readonly count: number;
}

export interface QueueLimits {
  readonly maxPerDevice: number;
  readonly maxBytes: number;
}

/**
 * First in, first out. Where a device's share or the whole is full, the new message is dropped and
 * counted; the count comes out behind the messages of that device that were queued before.
 */
export class SlowQueue {
  #items: (Publication | Dropped)[] = [];
  #taken = 0;
  #bytes = 0;
  readonly #perDevice = new Map<string, number>();
  readonly #dropped = new Map<string, number>();

  constructor(private readonly limits: QueueLimits) {}

  get empty(): boolean {
    return this.#taken === this.#items.length && this.#dropped.size === 0;
  }

  get length(): number {
    return this.#items.length - this.#taken;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Offset of the first message that waits; undefined where none does. */
  get firstOffset(): number | undefined {
    for (let i = this.#taken; i < this.#items.length; i++) {
      const item = this.#items[i]!;
      if ("offset" in item) return item.offset;
    }
    return undefined;
  }

  /** False where the message was dropped. */
  push(publication: Publication): boolean {
    const { deviceId, payload } = publication;
    const queued = this.#perDevice.get(deviceId) ?? 0;
    const dropped = this.#dropped.get(deviceId);
    const fits = queued < this.limits.maxPerDevice &&
      this.#bytes + payload.length <= this.limits.maxBytes;
    if (!fits) {
      this.#dropped.set(deviceId, (dropped ?? 0) + 1);
      return false;
    }
    if (dropped !== undefined) {
      this.#items.push({ deviceId, count: dropped });
      this.#dropped.delete(deviceId);
    }
    this.#items.push(publication);
    this.#perDevice.set(deviceId, queued + 1);
    this.#bytes += payload.length;
    return true;
  }

  /** The next messages up to a count of dropped ones, or such a count; undefined where all is out. */
  peek(maxMessages: number): readonly Publication[] | Dropped | undefined {
    const first = this.#items[this.#taken];
    if (first === undefined) {
      for (const [deviceId, count] of this.#dropped) return { deviceId, count };
      return undefined;
    }
    if (!("offset" in first)) return first;
    const messages: Publication[] = [];
    for (let i = this.#taken; i < this.#items.length && messages.length < maxMessages; i++) {
      const item = this.#items[i]!;
      if (!("offset" in item)) break;
      messages.push(item);
    }
    return messages;
  }

  /** Removes what {@linkcode SlowQueue.peek} showed first: a count, or `messages` messages. */
  shift(messages: number): void {
    const first = this.#items[this.#taken];
    if (first === undefined) {
      for (const deviceId of this.#dropped.keys()) return void this.#dropped.delete(deviceId);
      return;
    }
    if (!("offset" in first)) this.#taken++;
    else for (let i = 0; i < messages; i++) this.#remove(this.#items[this.#taken++] as Publication);
    if (this.#taken === this.#items.length) {
      this.#items = [];
      this.#taken = 0;
    } else if (this.#taken > 1024 && this.#taken * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#taken);
      this.#taken = 0;
    }
  }

  /** Removes the messages after `offset`, and the counts, of devices that are not wanted. */
  forget(wanted: (deviceId: string) => boolean, after = 0): void {
    const kept: (Publication | Dropped)[] = [];
    for (let i = this.#taken; i < this.#items.length; i++) {
      const item = this.#items[i]!;
      const isMessage = "offset" in item;
      if (wanted(item.deviceId) || (isMessage && item.offset <= after)) kept.push(item);
      else if (isMessage) this.#remove(item);
    }
    this.#items = kept;
    this.#taken = 0;
    for (const deviceId of this.#dropped.keys()) {
      if (!wanted(deviceId)) this.#dropped.delete(deviceId);
    }
  }

  #remove({ deviceId, payload }: Publication): void {
    this.#bytes -= payload.length;
    const queued = this.#perDevice.get(deviceId)! - 1;
    if (queued === 0) this.#perDevice.delete(deviceId);
    else this.#perDevice.set(deviceId, queued);
  }
}
