/** What a session does with messages between the hub and its sink. */

import type { JoinedEvents } from "./client_frame.ts";
import type { Publication } from "../messages/message.ts";

/** What the messages of a session wait for: that its socket takes more, or that their time comes. */
export type Waits = "nothing" | "socket" | "time";

/** Where the messages of one session wait, and when they are written. */
export interface Outbox {
  /** Takes the messages of a turn: writes them, or keeps them until {@linkcode Outbox.drain}. */
  add(turn: readonly Publication[], joined: JoinedEvents): void;
  /** Writes what may go out now; returns what the rest waits for. */
  drain(joined: JoinedEvents): Waits;
  /** Takes note of messages that were written beside it, while it was not in use. */
  replayed(publications: readonly Publication[]): void;
  /** Forgets what waits of devices that are not wanted; after `offset` only, where one is given. */
  forget(wanted: (deviceId: string) => boolean, after?: number): void;
  /** Offset of the first message that waits; undefined where none does. */
  readonly firstOffset: number | undefined;
  readonly messages: number;
  readonly bytes: number;
}

/** What an outbox tells of what it did. */
export interface OutboxEvents {
  onSent(count: number): void;
  /** A message was dropped, since what may wait for this client is full. */
  onDrop(deviceId: string): void;
  /** Something waits: {@linkcode Outbox.drain} has to be called until nothing does. */
  onWaiting(waits: Exclude<Waits, "nothing">): void;
}
