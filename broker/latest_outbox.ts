/** The newest message of each device: for clients that cannot keep up, or ask for less. */

import { cursorBefore, type Publication } from "./message.ts";
import type { Outbox, OutboxEvents } from "./outbox.ts";
import type { Sink } from "./sink.ts";

export interface LatestOptions {
  /** At most so many messages a second for each device; 0: no limit. */
  readonly maxRate: number;
  /** Messages of so many milliseconds go into one frame; 0: each is its own. */
  readonly batchMs: number;
  readonly now: () => number;
}

/** What the socket holds is what the client will read before it reads anything newer. */
const FRESH_BYTES = 16_384;
const FRAME_MESSAGES = 500;

/**
 * Holds at most one message a device. Its position is that below which nothing waits, so that a
 * resume may repeat a message, but loses none that was the newest.
 */
export class LatestOutbox implements Outbox {
  /** By device, in the order of the offsets: a newer message takes the last place. */
  readonly #waiting = new Map<string, Publication>();
  readonly #sentAt = new Map<string, number>();
  #bytes = 0;

  constructor(
    private readonly sink: Sink,
    private readonly options: LatestOptions,
    private readonly events: OutboxEvents,
  ) {}

  get firstOffset(): number | undefined {
    for (const { offset } of this.#waiting.values()) return offset;
    return undefined;
  }

  get messages(): number {
    return this.#waiting.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(turn: readonly Publication[]): void {
    if (this.#waiting.size === 0) this.events.onWaiting();
    for (const publication of turn) {
      this.#remove(publication.deviceId);
      this.#waiting.set(publication.deviceId, publication);
      this.#bytes += publication.payload.length;
    }
    if (this.options.batchMs === 0) this.drain();
  }

  drain(): boolean {
    const now = this.options.now();
    const frame: { payload: string; id: string }[] = [];
    const flush = () => {
      if (frame.length === 0) return;
      this.sink.items(frame, this.options.batchMs > 0);
      this.events.onSent(frame.length);
      frame.length = 0;
    };
    for (const publication of this.#waiting.values()) {
      if (this.sink.buffered > FRESH_BYTES) break;
      if (!this.#isDue(publication.deviceId, now)) continue;
      this.#remove(publication.deviceId);
      if (this.options.maxRate > 0) this.#sentAt.set(publication.deviceId, now);
      frame.push({ payload: publication.payload, id: this.#positionAfter(publication) });
      if (frame.length === FRAME_MESSAGES || this.options.batchMs === 0) flush();
    }
    flush();
    return this.#waiting.size === 0;
  }

  replayed(publications: readonly Publication[]): void {
    if (this.options.maxRate === 0) return;
    const now = this.options.now();
    for (const { deviceId } of publications) this.#sentAt.set(deviceId, now);
  }

  forget(wanted: (deviceId: string) => boolean, after = 0): void {
    for (const { deviceId, offset } of this.#waiting.values()) {
      if (offset > after && !wanted(deviceId)) this.#remove(deviceId);
    }
    for (const deviceId of this.#sentAt.keys()) {
      if (!wanted(deviceId)) this.#sentAt.delete(deviceId);
    }
  }

  #isDue(deviceId: string, now: number): boolean {
    if (this.options.maxRate === 0) return true;
    const sentAt = this.#sentAt.get(deviceId);
    return sentAt === undefined || now - sentAt >= 1000 / this.options.maxRate;
  }

  #positionAfter(written: Publication): string {
    for (const waiting of this.#waiting.values()) {
      return waiting.offset < written.offset ? cursorBefore(waiting) : written.cursor;
    }
    return written.cursor;
  }

  #remove(deviceId: string): void {
    const publication = this.#waiting.get(deviceId);
    if (!publication) return;
    this.#waiting.delete(deviceId);
    this.#bytes -= publication.payload.length;
  }
}
