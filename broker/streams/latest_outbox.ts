/** The newest message of each device: for clients that cannot keep up, or ask for less. */

import type { JoinedEvents } from "./client_frame.ts";
import type { Publication } from "../messages/message.ts";
import type { Outbox, OutboxEvents, Waits } from "./outbox.ts";
import type { Sink } from "./sink.ts";

export interface LatestOptions {
  /** Maximum messages per second for each device; 0: no limit. */
  readonly maxRate: number;
  /** Messages of this many milliseconds share one frame; 0: one frame per message. */
  readonly batchMs: number;
  readonly now: () => number;
}

/** Maximum bytes in the socket: the client reads all of them before anything newer. */
const FRESH_BYTES = 16_384;
const FRAME_MESSAGES = 500;
/** More than this is not sorted: a slow client of a large fleet may have that much due at once. */
const MAX_SORTED = 1_000;

/**
 * Holds at most one message per device. Its position is the one below which nothing waits, so a
 * resume may repeat a message, but never loses the newest one of a device.
 */
export class LatestOutbox implements Outbox {
  /** By device, in offset order: a newer message moves to the end. */
  readonly #waiting = new Map<string, Publication>();
  /** Messages that may be sent now; the same map if there is no rate. */
  readonly #due: Map<string, Publication>;
  /** When a device's last message was sent, oldest first; kept until its next one may be sent. */
  readonly #sentAt = new Map<string, number>();
  readonly #intervalMs: number;
  #bytes = 0;

  constructor(
    private readonly sink: Sink,
    private readonly options: LatestOptions,
    private readonly events: OutboxEvents,
  ) {
    const { maxRate } = options;
    this.#intervalMs = maxRate > 0 ? 1000 / maxRate : 0;
    this.#due = maxRate > 0 ? new Map() : this.#waiting;
  }

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

  add(turn: readonly Publication[], joined: JoinedEvents): void {
    const isFirst = this.#waiting.size === 0;
    for (const publication of turn) {
      const { deviceId } = publication;
      this.#remove(deviceId);
      this.#waiting.set(deviceId, publication);
      this.#bytes += publication.payload.length;
      if (!this.#sentAt.has(deviceId)) this.#due.set(deviceId, publication);
    }
    const waits = this.options.batchMs > 0 ? "time" : this.drain(joined);
    if (isFirst && waits !== "nothing") this.events.onWaiting(waits);
  }

  drain(joined: JoinedEvents): Waits {
    if (this.#intervalMs > 0) this.#release();
    if (this.#due.size > 0 && this.sink.buffered <= FRESH_BYTES) this.#write(joined);
    if (this.#due.size > 0) return "socket";
    return this.#waiting.size > 0 ? "time" : "nothing";
  }

  replayed(publications: readonly Publication[]): void {
    if (this.#intervalMs === 0) return;
    const now = this.options.now();
    for (const { deviceId } of publications) {
      this.#due.delete(deviceId);
      this.#rest(deviceId, now);
    }
  }

  forget(wanted: (deviceId: string) => boolean, after = 0): void {
    for (const { deviceId, offset } of this.#waiting.values()) {
      if (offset > after && !wanted(deviceId)) this.#remove(deviceId);
    }
    for (const deviceId of this.#sentAt.keys()) {
      if (!wanted(deviceId)) this.#sentAt.delete(deviceId);
    }
  }

  /** Makes messages due if their device's last one was sent long enough ago. */
  #release(): void {
    const now = this.options.now();
    for (const [deviceId, sentAt] of this.#sentAt) {
      if (now - sentAt < this.#intervalMs) break;
      this.#sentAt.delete(deviceId);
      const publication = this.#waiting.get(deviceId);
      if (publication) this.#due.set(deviceId, publication);
    }
  }

  /** Writes the due messages, up to the limit of the socket. */
  #write(joined: JoinedEvents): void {
    const { sink, options: { batchMs } } = this;
    const now = this.#intervalMs > 0 ? this.options.now() : 0;
    const frame = new Frame();
    const waiting = this.#waiting.values();
    let first = waiting.next().value;
    for (const publication of this.#inOrder()) {
      const buffered = sink.buffered + (batchMs > 0 ? 0 : frame.bytes);
      if (buffered > FRESH_BYTES) break;
      this.#remove(publication.deviceId);
      if (this.#intervalMs > 0) this.#rest(publication.deviceId, now);
      while (first && this.#waiting.get(first.deviceId) !== first) first = waiting.next().value;
      frame.add(publication, Math.min(publication.offset, (first?.offset ?? Infinity) - 1));
      if (frame.length === FRAME_MESSAGES) this.#send(frame, joined);
    }
    if (frame.length > 0) this.#send(frame, joined);
  }

  /** The due messages, in log order unless there are too many to sort: then ids rise later. */
  #inOrder(): Iterable<Publication> {
    const due = this.#due.values();
    const isSorted = this.#due === this.#waiting || this.#due.size > MAX_SORTED;
    return isSorted ? due : due.toArray().sort((a, b) => a.offset - b.offset);
  }

  #send(frame: Frame, joined: JoinedEvents): void {
    this.events.onSent(frame.length);
    frame.write(this.sink, this.options.batchMs > 0, joined);
  }

  #rest(deviceId: string, now: number): void {
    this.#sentAt.delete(deviceId);
    this.#sentAt.set(deviceId, now);
  }

  #remove(deviceId: string): void {
    const publication = this.#waiting.get(deviceId);
    if (!publication) return;
    this.#waiting.delete(deviceId);
    this.#due.delete(deviceId);
    this.#bytes -= publication.payload.length;
  }
}

/** Messages that are written together. */
class Frame {
  #publications: Publication[] = [];
  #positions: number[] = [];
  /** True if each position is the message's own. */
  #isPlain = true;
  bytes = 0;

  get length(): number {
    return this.#publications.length;
  }

  /** Adds a message; its id is the cursor of `position`. */
  add(publication: Publication, position: number): void {
    this.#publications.push(publication);
    this.#positions.push(position);
    this.#isPlain &&= position === publication.offset;
    this.bytes += publication.payload.length;
  }

  /** Writes the messages, and starts a new frame. */
  write(sink: Sink, asBatch: boolean, joined: JoinedEvents): void {
    const publications = this.#publications;
    if (!this.#isPlain) sink.items(publications.map((one, i) => this.#item(one, i)), asBatch);
    // With their own positions, messages have bytes that clients share.
    else if (asBatch) sink.writeBatch(publications, joined);
    else sink.write(publications, joined);
    this.#publications = [];
    this.#positions = [];
    this.#isPlain = true;
    this.bytes = 0;
  }

  #item({ payload, epoch }: Publication, i: number): { payload: string; id: string } {
    return { payload, id: epoch.cursor(this.#positions[i]!) };
  }
}
