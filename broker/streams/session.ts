/** One client: what it asked for, what was written to it, what waits for it. */

import { forgetFrames, JoinedEvents } from "./client_frame.ts";
import { FifoOutbox } from "./fifo_outbox.ts";
import type { Interest } from "../messages/interest.ts";
import { LatestOutbox } from "./latest_outbox.ts";
import type { Publication } from "../messages/message.ts";
import type { Outbox, OutboxEvents, Waits } from "./outbox.ts";
import type { PresenceState } from "./presence.ts";
import type { Sink } from "./sink.ts";
import type { QueueLimits } from "./slow_queue.ts";

/** How a client wants its messages. */
export interface SessionMode {
  /** Only the newest message of each device, where the client cannot keep up. */
  readonly latest?: boolean;
  /** At most so many messages a second for each device. */
  readonly maxRate?: number | undefined;
  /** WebSocket: messages of so many milliseconds in one frame. */
  readonly batchMs?: number | undefined;
  /** `presence` events too. */
  readonly presence?: boolean;
}

/** What sessions tell of themselves; one for all of them, as each of thousands takes memory. */
export interface SessionEvents {
  /** The queue is full: a message of the device was dropped for this client. */
  onDrop(deviceId: string, session: Session): void;
  onSent(count: number, session: Session): void;
  /** Something waits: {@linkcode Session.drain} has to be called until nothing does. */
  onWaiting(session: Session, waits: Exclude<Waits, "nothing">): void;
}

export interface SessionOptions {
  readonly mode: SessionMode;
  readonly limits: QueueLimits;
  readonly events: SessionEvents;
}

/** It is `live` once what the client asked to see first was written. */
export class Session implements OutboxEvents {
  readonly mode: SessionMode;
  readonly #outbox: Outbox;
  readonly #events: SessionEvents;
  /** Messages of this turn; written by {@linkcode Session.flush}. */
  readonly #turn: Publication[] = [];
  /** States of devices that wait, since the socket is full; few sessions ever have one. */
  #presence: Map<string, PresenceState> | undefined;
  /** Position while the session is not live: up to here everything was written. */
  #reached: string | undefined;
  /** Devices that are being replayed: what comes of them is part of the replay. */
  #held: Interest | undefined;
  live = false;
  closed = false;
  /** What its socket had taken when the hub looked last. */
  taken = -1;
  /** Called once when it is closed, whoever closed it. */
  onClosed: (() => void) | undefined;
  sent = 0;
  dropped = 0;
  /** By the monotonic clock, in ms. */
  readonly openedAt = performance.now();
  /** The network that the client came from, for operators. */
  network = "";

  constructor(readonly sink: Sink, public interest: Interest, options: SessionOptions) {
    const { mode, limits, events } = options;
    this.mode = mode;
    this.#events = events;
    const batchMs = mode.batchMs ?? 0;
    this.#outbox = mode.latest
      ? new LatestOutbox(sink, {
        maxRate: mode.maxRate ?? 0,
        batchMs,
        now: () => performance.now(),
      }, this)
      : new FifoOutbox(sink, { limits, batchMs }, this);
  }

  // ---- what the outbox tells

  onSent(count: number): void {
    this.sent += count;
    this.#events.onSent(count, this);
  }

  onDrop(deviceId: string): void {
    this.dropped++;
    this.#events.onDrop(deviceId, this);
  }

  onWaiting(waits: Exclude<Waits, "nothing">): void {
    this.#events.onWaiting(this, waits);
  }

  // ---- what the hub asks for

  /** Takes a message of this turn; true for the first. */
  add(publication: Publication): boolean {
    if (this.#held?.matches(publication.deviceId)) return false;
    return this.#turn.push(publication) === 1;
  }

  /** Takes messages beside those of a turn, and writes what may be written now. */
  addAll(publications: readonly Publication[]): void {
    for (const publication of publications) this.add(publication);
    this.flush(new JoinedEvents());
  }

  /** Writes the messages of this turn, or keeps what cannot be written now. */
  flush(joined: JoinedEvents): void {
    if (!this.closed) this.#outbox.add(this.#turn, joined);
    this.#turn.length = 0;
  }

  /** Writes what waits, as far as it may go out now; returns what the rest waits for. */
  drain(joined: JoinedEvents): Waits {
    if (this.closed) return "nothing";
    if (this.#presence) {
      for (const [deviceId, state] of this.#presence) {
        if (this.sink.full) return "socket";
        this.#presence.delete(deviceId);
        this.sink.event("presence", presenceText(deviceId, state));
      }
      this.#presence = undefined;
    }
    return this.#outbox.drain(joined);
  }

  /** Whether a change of a device's state may be written now; else the newest one goes out later. */
  admitsPresence(deviceId: string, state: PresenceState): boolean {
    if (this.live && !this.sink.full && !this.#presence?.size) return true;
    this.#presence ??= new Map();
    this.#presence.set(deviceId, state);
    if (this.live) this.onWaiting("socket");
    return false;
  }

  /** From now on it gets messages; what waited for that goes out. */
  goLive(): void {
    this.live = true;
    if (this.#presence?.size) this.onWaiting("socket");
  }

  /** Writes messages of a replay; returns how many the socket took. */
  replay(publications: readonly Publication[], joined: JoinedEvents): number {
    const written = this.mode.batchMs
      ? this.sink.writeBatch(publications, joined)
      : this.sink.write(publications, joined);
    // A ping may come between two steps, and its id must not be below those that went out.
    if (written > 0) this.#reached = publications[written - 1]!.cursor;
    this.#outbox.replayed(publications.slice(0, written));
    this.onSent(written);
    forgetFrames(publications);
    return written;
  }

  /** Writes messages of a command's replay: newer ones of other devices may be out already. */
  replayWithoutIds(publications: readonly Publication[]): void {
    this.sink.events("message", publications.map(({ payload }) => payload));
    this.#outbox.replayed(publications);
    this.onSent(publications.length);
  }

  /** Leaves devices to a replay from `offset` on, until {@linkcode Session.release}. */
  hold(held: Interest, offset: number): void {
    this.#held = held;
    this.#outbox.forget((deviceId) => !held.matches(deviceId), offset);
  }

  release(): void {
    this.#held = undefined;
  }

  /** Changes what the client gets from now on; what waits of other devices is forgotten. */
  want(interest: Interest): void {
    this.interest = interest;
    for (const deviceId of this.#presence?.keys() ?? []) {
      if (!interest.matches(deviceId)) this.#presence!.delete(deviceId);
    }
    this.#outbox.forget((deviceId) => interest.matches(deviceId));
  }

  /** Sets the position of a session that is not live: up to it everything was written. */
  reach(position: string | undefined): void {
    this.#reached = position;
  }

  /** The position up to which everything was written, where there is one; `head` makes a cursor. */
  position(head: (offset?: number) => string): string | undefined {
    if (!this.live) return this.#reached;
    if (this.#held) return undefined;
    const first = this.#outbox.firstOffset;
    return first === undefined ? head() : head(first - 1);
  }

  get queued(): { messages: number; bytes: number } {
    const { messages, bytes } = this.#outbox;
    return { messages, bytes };
  }
}

/** Data of a `presence` event. */
export function presenceText(deviceId: string, state: PresenceState): string {
  return JSON.stringify({ device_id: deviceId, state });
}
