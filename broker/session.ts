/** One client: what it asked for, what was written to it, what waits for it. */

import { forgetFrames, type JoinedEvents } from "./client_frame.ts";
import type { Interest } from "./interest.ts";
import type { Publication } from "./message.ts";
import type { Sink } from "./sink.ts";
import { type QueueLimits, SlowQueue } from "./slow_queue.ts";

/** What a session tells of itself. */
export interface SessionEvents {
  /** The queue is full: a message of the device was dropped for this client. */
  onDrop(deviceId: string): void;
  onSent(count: number): void;
  /** Something waits in the queue: {@linkcode Session.drain} has to be called until it is empty. */
  onSlow(session: Session): void;
}

/** Messages that are written in one go while a queue drains. */
const DRAIN_MESSAGES = 256;

/**
 * Writes messages through while the client's socket takes them, and queues what is beyond. It is
 * `live` once what the client asked to see first was written.
 */
export class Session {
  /** Messages of this turn; written by {@linkcode Session.flush}. */
  readonly #turn: Publication[] = [];
  #queue: SlowQueue | undefined;
  /** Position while the session is not live: up to here everything was written. */
  #replayedTo: string | undefined;
  live = false;
  /** Some of its devices are being replayed: no position can be named. */
  replaying = false;
  closed = false;
  sent = 0;
  dropped = 0;

  constructor(
    readonly sink: Sink,
    public interest: Interest,
    private readonly limits: QueueLimits,
    private readonly events: SessionEvents,
  ) {}

  /** Takes a message of this turn; true for the first. */
  add(publication: Publication): boolean {
    return this.#turn.push(publication) === 1;
  }

  /** Writes or queues the messages of this turn. */
  flush(joined: JoinedEvents): void {
    const turn = this.#turn;
    const written = this.#queue ? 0 : this.sink.write(turn, joined);
    if (written > 0) this.#countSent(written);
    if (written < turn.length && !this.closed) this.#enqueue(turn, written);
    turn.length = 0;
  }

  /** Writes what waits while the socket takes it; true once nothing waits. */
  drain(joined: JoinedEvents): boolean {
    const queue = this.#queue;
    while (queue && !this.closed) {
      const next = queue.peek(DRAIN_MESSAGES);
      if (next === undefined) break;
      if (this.sink.full) return false;
      if ("count" in next) {
        this.sink.event("dropped", JSON.stringify({ device_id: next.deviceId, count: next.count }));
        queue.shift(0);
      } else {
        const written = this.sink.write(next, joined);
        this.#countSent(written);
        forgetFrames(next);
        queue.shift(written);
      }
    }
    this.#queue = undefined;
    return true;
  }

  /** Writes messages of a replay; returns how many the socket took. */
  replay(publications: readonly Publication[], joined: JoinedEvents): number {
    const written = this.sink.write(publications, joined);
    this.#countSent(written);
    forgetFrames(publications);
    return written;
  }

  /** Sets the position of a session that is not live: up to it everything was written. */
  reach(position: string | undefined): void {
    this.#replayedTo = position;
  }

  /** The position up to which everything was written, where there is one; `head` makes a cursor. */
  position(head: (offset?: number) => string): string | undefined {
    if (!this.live) return this.#replayedTo;
    if (this.replaying) return undefined;
    const first = this.#queue?.firstOffset;
    return first === undefined ? head() : head(first - 1);
  }

  get queued(): { messages: number; bytes: number } {
    return { messages: this.#queue?.length ?? 0, bytes: this.#queue?.bytes ?? 0 };
  }

  #enqueue(turn: readonly Publication[], from: number): void {
    if (!this.#queue) {
      this.#queue = new SlowQueue(this.limits);
      this.events.onSlow(this);
    }
    for (let i = from; i < turn.length; i++) {
      if (this.#queue.push(turn[i]!)) continue;
      this.dropped++;
      this.events.onDrop(turn[i]!.deviceId);
    }
  }

  #countSent(count: number): void {
    this.sent += count;
    this.events.onSent(count);
  }
}
