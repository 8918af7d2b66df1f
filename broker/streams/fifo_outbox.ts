/** Every message, in order: written through while the socket takes them, then queued, bounded. */

import { forgetFrames, type JoinedEvents } from "./client_frame.ts";
import type { Publication } from "../messages/message.ts";
import type { Outbox, OutboxEvents, Waits } from "./outbox.ts";
import type { Sink } from "./sink.ts";
import { type QueueLimits, SlowQueue } from "./slow_queue.ts";

/** Messages that are written in one go while a queue drains. */
const DRAIN_MESSAGES = 256;
/** A frame of a batch is closed at so many messages or bytes, before its time. */
const BATCH_MESSAGES = 500;
const BATCH_BYTES = 262_144;

export interface FifoOptions {
  readonly limits: QueueLimits;
  /** Messages of so many milliseconds go into one frame; 0: each is its own. */
  readonly batchMs: number;
}

export class FifoOutbox implements Outbox {
  #queue: SlowQueue | undefined;
  /** The batch that is being collected; none while there is a queue. */
  #batch: Publication[] = [];
  #batchBytes = 0;

  constructor(
    private readonly sink: Sink,
    private readonly options: FifoOptions,
    private readonly events: OutboxEvents,
  ) {}

  get firstOffset(): number | undefined {
    return this.#queue?.firstOffset ?? this.#batch[0]?.offset;
  }

  get messages(): number {
    return (this.#queue?.length ?? 0) + this.#batch.length;
  }

  get bytes(): number {
    return (this.#queue?.bytes ?? 0) + this.#batchBytes;
  }

  add(turn: readonly Publication[], joined: JoinedEvents): void {
    if (this.options.batchMs > 0) return this.#collect(turn, joined);
    const written = this.#queue ? 0 : this.sink.write(turn, joined);
    if (written > 0) this.events.onSent(written);
    if (written < turn.length) this.#enqueue(turn, written);
  }

  drain(joined: JoinedEvents): Waits {
    if (this.#batch.length > 0) this.#writeBatch(joined);
    const queue = this.#queue;
    while (queue && !queue.empty) {
      // Asked first: of a client that reads nothing no more than this is done.
      if (this.sink.full) return "socket";
      const next = queue.peek(DRAIN_MESSAGES)!;
      if ("count" in next) {
        this.sink.event("dropped", JSON.stringify({ device_id: next.deviceId, count: next.count }));
        queue.shift(0);
        continue;
      }
      const written = this.#write(next, joined);
      this.events.onSent(written);
      forgetFrames(next);
      queue.shift(written);
    }
    this.#queue = undefined;
    return "nothing";
  }

  replayed(): void {}

  forget(wanted: (deviceId: string) => boolean, after = 0): void {
    this.#queue?.forget(wanted, after);
    this.#batch = this.#batch.filter(({ deviceId, offset }) => offset <= after || wanted(deviceId));
    this.#batchBytes = this.#batch.reduce((sum, { payload }) => sum + payload.length, 0);
  }

  #write(publications: readonly Publication[], joined: JoinedEvents): number {
    return this.options.batchMs > 0
      ? this.sink.writeBatch(publications, joined)
      : this.sink.write(publications, joined);
  }

  #collect(turn: readonly Publication[], joined: JoinedEvents): void {
    let i = 0;
    for (; i < turn.length && !this.#queue; i++) {
      if (this.#batch.length === 0) this.events.onWaiting("time");
      this.#batch.push(turn[i]!);
      this.#batchBytes += turn[i]!.payload.length;
      const full = this.#batch.length >= BATCH_MESSAGES || this.#batchBytes >= BATCH_BYTES;
      if (full) this.#writeBatch(joined);
    }
    if (i < turn.length) this.#enqueue(turn, i);
  }

  #writeBatch(joined: JoinedEvents): void {
    const batch = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    const written = this.sink.writeBatch(batch, joined);
    if (written > 0) this.events.onSent(written);
    else this.#enqueue(batch, 0);
  }

  #enqueue(turn: readonly Publication[], from: number): void {
    if (!this.#queue) {
      this.#queue = new SlowQueue(this.options.limits);
      this.events.onWaiting("socket");
    }
    for (let i = from; i < turn.length; i++) {
      if (!this.#queue.push(turn[i]!)) this.events.onDrop(turn[i]!.deviceId);
    }
  }
}
