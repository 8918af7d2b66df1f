/** How a session writes to its client: one thin writer for each transport. */

import {
  join,
  JoinedEvents,
  SSE_COMMENT,
  SSE_RETRY,
  sseEvent,
  ssePosition,
  wsBatch,
  wsEvent,
  wsMessage,
} from "./client_frame.ts";
import type { Publication } from "./message.ts";

/** Beyond this, what a socket has not taken yet waits in the session's own bounded queue. */
export const SOCKET_BYTES = 1_048_576;

/** Ends the body of a client that does not read; no failure of the server. */
export const UNREAD_STREAM = new Error("The client does not read its stream");

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
  /** Writes an event, whatever the socket holds; `data` is JSON text. */
  event(name: string, data: string, id?: string): void;
  /** Keeps proxies from closing a quiet connection. */
  comment(): void;
  /** Ends the connection; `code` and `reason` reach the peer where the transport has them. */
  close(code: number, reason: string): void;
  /** Ends a connection whose client does not read: what waits for it is thrown away. */
  abandon(): void;
}

const POLICY_VIOLATION = 1008;

export class WsSink implements Sink {
  readonly transport = "ws";
  #written = 0;

  constructor(private readonly socket: WebSocket) {}

  get buffered(): number {
    return this.socket.bufferedAmount;
  }

  get taken(): number {
    return this.#written - this.socket.bufferedAmount;
  }

  get full(): boolean {
    return this.socket.bufferedAmount > SOCKET_BYTES || this.socket.readyState !== WebSocket.OPEN;
  }

  open(): void {}

  write(publications: readonly Publication[]): number {
    let count = 0;
    for (; count < publications.length && !this.full; count++) {
      this.#send(wsMessage(publications[count]!));
    }
    return count;
  }

  writeBatch(publications: readonly Publication[], joined: JoinedEvents): number {
    if (this.full) return 0;
    this.#send(joined.batchOf(publications));
    return publications.length;
  }

  items(items: readonly { payload: string; id: string }[], asBatch: boolean): void {
    if (!asBatch) { for (const { payload, id } of items) this.event("message", payload, id); }
    else if (this.socket.readyState === WebSocket.OPEN) this.#send(wsBatch(items));
  }

  event(name: string, data: string, id?: string): void {
    if (this.socket.readyState === WebSocket.OPEN) this.#send(wsEvent(name, data, id));
  }

  comment(): void {}

  close(code: number, reason: string): void {
    if (this.socket.readyState <= WebSocket.OPEN) this.socket.close(code, reason);
  }

  abandon(): void {
    this.close(POLICY_VIOLATION, "not read");
  }

  #send(frame: string): void {
    this.#written += frame.length;
    this.socket.send(frame);
  }
}

export class SseSink implements Sink {
  readonly transport = "sse";
  /** The body of the response. */
  readonly body: ReadableStream<Uint8Array>;
  #written = 0;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;

  constructor(onGone: () => void) {
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        cancel: () => {
          this.#controller = undefined;
          onGone();
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: SOCKET_BYTES }),
    );
  }

  get buffered(): number {
    return SOCKET_BYTES - (this.#controller?.desiredSize ?? 0);
  }

  get taken(): number {
    return this.#written - this.buffered;
  }

  get full(): boolean {
    return (this.#controller?.desiredSize ?? 0) <= 0;
  }

  open(position: string | undefined): void {
    this.#enqueue(position === undefined ? SSE_RETRY : join([SSE_RETRY, ssePosition(position)]));
  }

  write(publications: readonly Publication[], joined: JoinedEvents): number {
    if (this.full) return 0;
    this.#enqueue(joined.of(publications));
    return publications.length;
  }

  writeBatch(publications: readonly Publication[], joined: JoinedEvents): number {
    return this.write(publications, joined);
  }

  items(items: readonly { payload: string; id: string }[]): void {
    this.#enqueue(join(items.map(({ payload, id }) => sseEvent("message", payload, id))));
  }

  event(name: string, data: string, id?: string): void {
    this.#enqueue(sseEvent(name, data, id));
  }

  comment(): void {
    // A client that has not read what is there needs no proof of life, and its memory is bounded.
    if (!this.full) this.#enqueue(SSE_COMMENT);
  }

  close(): void {
    try {
      this.#controller?.close();
    } catch {
      // The client went first.
    }
    this.#controller = undefined;
  }

  abandon(): void {
    this.#controller?.error(UNREAD_STREAM);
    this.#controller = undefined;
  }

  #enqueue(bytes: Uint8Array): void {
    this.#written += bytes.length;
    try {
      this.#controller?.enqueue(bytes);
    } catch {
      // Closed between the check and the write: its cancel() tells the session.
      this.#controller = undefined;
    }
  }
}
