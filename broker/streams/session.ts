/** One client: what it asked for, what was written to it, what waits for it. */

import { JoinedEvents, replayedFrames } from "./client_frame.ts";
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
  /** Only the newest message of each device, if the client cannot keep up. */
  readonly latest?: boolean;
  /** Maximum messages per second for each device. */
  readonly maxRate?: number | undefined;
  /** WebSocket: messages of this many milliseconds share one frame. */
  readonly batchMs?: number | undefined;
  /** Send `presence` events too. */
  readonly presence?: boolean;
}

/** Callbacks of sessions. One object for all, which saves memory with thousands of them. */
export interface SessionEvents {
  /** The queue is full: a message of the device was dropped for this client. */
  onDrop(deviceId: string, session: Session): void;
  onSent(count: number, session: Session): void;
  /** Something waits: call {@linkcode Session.drain} until nothing does. */
  onWaiting(session: Session, waits: Exclude<Waits, "nothing">): void;
}

export interface SessionOptions {
  readonly mode: SessionMode;
  readonly limits: QueueLimits;
  readonly events: SessionEvents;
}

/** A session is `live` once its snapshot and replay are written. */
export class Session implements OutboxEvents {
  readonly mode: SessionMode;
  readonly #outbox: Outbox;
  readonly #events: SessionEvents;
  /** Messages of this turn; written by {@linkcode Session.flush}. */
  readonly #turn: Publication[] = [];
  /** Device states that wait to be sent; few sessions ever have any. */
  #presence: Map<string, PresenceState> | undefined;
  /** Position while the session is not live: everything up to it was written. */
  #reached: string | undefined;
  /** Devices being replayed: their new messages are part of the replay. */
  #held: Interest | undefined;
  live = false;
  closed = false;
  /** Bytes that its socket had taken at the hub's last check. */
  taken = -1;
  /** Called once when the session is closed, by either side. */
  onClosed: (() => void) | undefined;
  sent = 0;
  dropped = 0;
  /** Monotonic time, in ms. */
  readonly openedAt = performance.now();
  /** The client's network, for operators. */
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

  // ---- callbacks of the outbox

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

  // ---- calls by the hub

  /** Adds a message to this turn; true if it is the first. */
  add(publication: Publication): boolean {
    if (this.#held?.matches(publication.deviceId)) return false;
    return this.#turn.push(publication) === 1;
  }

  /** Adds messages outside of a turn, and writes what may be written now. */
  addAll(publications: readonly Publication[]): void {
    for (const publication of publications) this.add(publication);
    this.flush(new JoinedEvents());
  }

  /** Writes the messages of this turn, or keeps what cannot be written now. */
  flush(joined: JoinedEvents): void {
    if (!this.closed) this.#outbox.add(this.#turn, joined);
    this.#turn.length = 0;
  }

  /** Writes the waiting data that may be sent now; returns what the rest waits for. */
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

  /** Whether a presence change may be written now; if not, the newest state is sent later. */
  admitsPresence(deviceId: string, state: PresenceState): boolean {
    if (this.live && !this.sink.full && !this.#presence?.size) return true;
    this.#presence ??= new Map();
    this.#presence.set(deviceId, state);
    if (this.live) this.onWaiting("socket");
    return false;
  }

  /** Starts live delivery; presence states that waited for it are sent. */
  goLive(): void {
    this.live = true;
    if (this.#presence?.size) this.onWaiting("socket");
  }

  /** Writes messages of a replay; returns how many the socket took. */
  replay(publications: readonly Publication[], joined: JoinedEvents): number {
    const written = this.mode.batchMs
      ? this.sink.writeBatch(publications, joined)
      : this.sink.write(publications, joined);
    // A ping may come between two steps, and its id must not be below those already sent.
    if (written > 0) this.#reached = publications[written - 1]!.cursor;
    this.#outbox.replayed(publications.slice(0, written));
    this.onSent(written);
    replayedFrames.keep(publications);
    return written;
  }

  /** Writes messages of a command's replay: newer ones of other devices may have been sent. */
  replayWithoutIds(publications: readonly Publication[]): void {
    this.sink.events("message", publications.map(({ payload }) => payload));
    this.#outbox.replayed(publications);
    this.onSent(publications.length);
  }

  /** Leaves devices to a replay of what follows `offset`, until {@linkcode Session.release}. */
  hold(held: Interest, offset: number): void {
    this.#held = held;
    this.#outbox.forget((deviceId) => !held.matches(deviceId), offset);
  }

  release(): void {
    this.#held = undefined;
  }

  /** Changes the client's interest; waiting messages of other devices are dropped. */
  want(interest: Interest): void {
    this.interest = interest;
    for (const deviceId of this.#presence?.keys() ?? []) {
      if (!interest.matches(deviceId)) this.#presence!.delete(deviceId);
    }
    this.#outbox.forget((deviceId) => interest.matches(deviceId));
  }

  /** Sets the position of a session that is not live: everything up to it was written. */
  reach(position: string | undefined): void {
    this.#reached = position;
  }

  /** The position up to which everything was written, if there is one; `head` makes a cursor. */
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
