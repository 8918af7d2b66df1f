/** Every message, in order: written directly while the socket takes it, else in a bounded queue. */

import { forgetFrames, type JoinedEvents } from "./client_frame.ts";
import type { Publication } from "../messages/message.ts";
import type { Outbox, OutboxEvents, Waits } from "./outbox.ts";
import type { Sink } from "./sink.ts";
import { type QueueLimits, SlowQueue } from "./slow_queue.ts";

/** Messages per write while a queue drains. */
const DRAIN_MESSAGES = 256;
/** A batch frame is sent early if it has this many messages or bytes. */
const BATCH_MESSAGES = 500;
const BATCH_BYTES = 262_144;

export interface FifoOptions {
  readonly limits: QueueLimits;
  /** Messages of this many milliseconds share one frame; 0: one frame per message. */
  readonly batchMs: number;
}

export class FifoOutbox implements Outbox {
  #queue: SlowQueue | undefined;
  /** The batch being collected; empty while there is a queue. */
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
      // Checked first, so that a client that reads nothing costs only this check.
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
