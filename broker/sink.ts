/** How a session writes to its client: a thin writer for each transport implements this. */

import type { JoinedEvents } from "./client_frame.ts";
import type { Publication } from "./message.ts";

/** Beyond this, what a socket has not taken yet waits in the session's own bounded queue. */
export const SOCKET_BYTES = 1_048_576;

export interface Sink {
  readonly transport: "ws" | "sse";
  /** The socket holds more than {@linkcode SOCKET_BYTES}, or is gone. */
  readonly full: boolean;
  /** First bytes: tells the client its position, where it can be told without a message. */
  open(position: string | undefined): void;
  /** Writes as many as the socket takes, in order; returns how many. `joined` is of this turn. */
  write(publications: readonly Publication[], joined: JoinedEvents): number;
  /** WebSocket: writes them in one frame; returns how many: all, or none where the socket is full. */
  writeBatch(publications: readonly Publication[], joined: JoinedEvents): number;
  /** Writes messages with positions of their own, whatever the socket holds. */
  items(items: readonly { payload: string; id: string }[], asBatch: boolean): void;
  /** Bytes that the socket has not taken yet. */
  readonly buffered: number;
  /** How much the socket has taken so far; it stands still where the client does not read. */
  readonly taken: number;
  /**
   * Calls back once, when the socket has taken bytes or is closed; false where it cannot tell. To be
   * called while something is buffered.
   */
  whenTaken(callback: () => void): boolean;
  /** Writes an event, whatever the socket holds; `data` is JSON text. */
  event(name: string, data: string, id?: string): void;
  /** Keeps proxies from closing a quiet connection. */
  comment(): void;
  /** Ends the connection; `code` and `reason` reach the peer where the transport has them. */
  close(code: number, reason: string): void;
  /** Ends a connection whose client does not read: what waits for it is thrown away. */
  abandon(): void;
}
