/** Holds a session's messages between the hub and its sink. */

import type { JoinedEvents } from "./client_frame.ts";
import type { Publication } from "../messages/message.ts";

/** What the messages of a session wait for: room in its socket, or their time. */
export type Waits = "nothing" | "socket" | "time";

/** Keeps the waiting messages of one session, and decides when they are written. */
export interface Outbox {
  /** Takes the messages of a turn: writes them, or keeps them until {@linkcode Outbox.drain}. */
  add(turn: readonly Publication[], joined: JoinedEvents): void;
  /** Writes what may be sent now; returns what the rest waits for. */
  drain(joined: JoinedEvents): Waits;
  /** Records messages that a replay wrote directly to the sink. */
  replayed(publications: readonly Publication[]): void;
  /** Drops the waiting messages of unwanted devices; with `after`, only those after that offset. */
  forget(wanted: (deviceId: string) => boolean, after?: number): void;
  /** Offset of the first waiting message; undefined if there is none. */
  readonly firstOffset: number | undefined;
  readonly messages: number;
  readonly bytes: number;
}

/** Callbacks of an outbox. */
export interface OutboxEvents {
  onSent(count: number): void;
  /** A message was dropped, because this client's queue is full. */
  onDrop(deviceId: string): void;
  /** Something waits: call {@linkcode Outbox.drain} until nothing does. */
  onWaiting(waits: Exclude<Waits, "nothing">): void;
}
