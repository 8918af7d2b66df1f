/** How a session writes to its client: a thin writer for each transport implements this. */

import { closed } from "../../telemetry/metrics.ts";
import type { JoinedEvents } from "./client_frame.ts";
import type { Publication } from "../messages/message.ts";

/** Beyond this, what a socket has not taken yet waits in the session's own bounded queue. */
export const SOCKET_BYTES = 1_048_576;
/** Events that may be written to a full socket: answers to commands, errors, pings. */
export const UNREAD_EVENT_BYTES = 524_288;

/** A connection that ends is closed when the client has taken nothing for this long. */
export const LINGER_MS = 2_000;

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
  /** Bytes that the system took for the client so far; the same number while it reads nothing. */
  readonly taken: number;
  /**
   * Calls back once, when the socket has taken bytes or is closed; false where it cannot tell. To be
   * called while something is buffered.
   */
  whenTaken(callback: () => void): boolean;
  /**
   * Writes an event, also to a full socket; `data` is JSON text. A client that makes more than
   * {@linkcode UNREAD_EVENT_BYTES} wait in a full socket is cut off.
   */
  event(name: string, data: string, id?: string): void;
  /**
   * Writes events of one name, in one write where the socket can; to be asked for room before. With
   * `joined` the bytes are shared by clients that get the same.
   */
  events(name: string, data: readonly string[], joined?: JoinedEvents): void;
  /** Keeps proxies from closing a quiet connection. */
  comment(): void;
  /** Ends the connection; `code` and `reason` reach the peer where the transport has them. */
  close(code: number, reason: string): void;
  /** Ends a connection whose client does not read: what waits for it is thrown away. */
  abandon(): void;
}

/** Counts what is written to one socket while it is full. */
export class UnreadEvents {
  #bytes = 0;

  /** False where the client has to be cut off. */
  admits(bytes: number, isFull: boolean): boolean {
    this.#bytes = isFull ? this.#bytes + bytes : 0;
    if (this.#bytes <= UNREAD_EVENT_BYTES) return true;
    closed.count("unread_events");
    return false;
  }
}
