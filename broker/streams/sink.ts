/** How a session writes to its client. Each transport implements this interface. */

import { closed } from "../../telemetry/metrics.ts";
import type { JoinedEvents } from "./client_frame.ts";
import type { Publication } from "../messages/message.ts";

/** If a socket has this many bytes left to send, more waits in the session's own bounded queue. */
export const SOCKET_BYTES = 1_048_576;
/** Maximum bytes of events for a full socket: answers to commands, errors, pings. */
export const UNREAD_EVENT_BYTES = 524_288;

/** A closing connection is cut off if the client reads nothing for this long. */
export const LINGER_MS = 2_000;

export interface Sink {
  readonly transport: "ws" | "sse";
  /** The socket holds more than {@linkcode SOCKET_BYTES}, or is gone. */
  readonly full: boolean;
  /** Writes the first bytes, with the client's position if the transport has a way to send it. */
  open(position: string | undefined): void;
  /** Writes as many as the socket takes, in order; returns how many. `joined` is for this turn. */
  write(publications: readonly Publication[], joined: JoinedEvents): number;
  /** WebSocket: writes them in one frame; returns how many: all, or none if the socket is full. */
  writeBatch(publications: readonly Publication[], joined: JoinedEvents): number;
  /** Writes messages with the given ids, even to a full socket. */
  items(items: readonly { payload: string; id: string }[], asBatch: boolean): void;
  /** Bytes that the socket has not taken yet. */
  readonly buffered: number;
  /** Total bytes that the system has taken; does not grow while the client reads nothing. */
  readonly taken: number;
  /**
   * Calls back once, when the socket has taken bytes or is closed; false if it cannot signal that.
   * Call it while something is buffered.
   */
  whenTaken(callback: () => void): boolean;
  /**
   * Writes an event, even to a full socket; `data` is JSON text. A client with more than
   * {@linkcode UNREAD_EVENT_BYTES} of events in a full socket is cut off.
   */
  event(name: string, data: string, id?: string): void;
  /**
   * Writes events with the same name, in one write if the socket can. The caller checks for room
   * first. With `joined`, clients that get the same events share the bytes.
   */
  events(name: string, data: readonly string[], joined?: JoinedEvents): void;
  /** Keeps proxies from closing an idle connection. */
  comment(): void;
  /** Ends the connection; `code` and `reason` reach the peer if the transport supports them. */
  close(code: number, reason: string): void;
  /** Ends the connection of a client that does not read; waiting data is discarded. */
  abandon(): void;
}

/** Counts the bytes written to one socket while it is full. */
export class UnreadEvents {
  #bytes = 0;

  /** False if the client has to be cut off. */
  admits(bytes: number, isFull: boolean): boolean {
    this.#bytes = isFull ? this.#bytes + bytes : 0;
    if (this.#bytes <= UNREAD_EVENT_BYTES) return true;
    closed.count("unread_events");
    return false;
  }
}
