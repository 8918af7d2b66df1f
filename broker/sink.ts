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
  /** Writes an event, whatever the socket holds; `data` is JSON text. */
  event(name: string, data: string, id?: string): void;
  /** Keeps proxies from closing a quiet connection. */
  comment(): void;
  /** Ends the connection; `code` and `reason` reach the peer where the transport has them. */
  close(code: number, reason: string): void;
}

export class WsSink implements Sink {
  readonly transport = "ws";

  constructor(private readonly socket: WebSocket) {}

  get buffered(): number {
    return this.socket.bufferedAmount;
  }

  get full(): boolean {
    return this.socket.bufferedAmount > SOCKET_BYTES || this.socket.readyState !== WebSocket.OPEN;
  }

  open(): void {}

  write(publications: readonly Publication[]): number {
    let count = 0;
    for (; count < publications.length && !this.full; count++) {
      this.socket.send(wsMessage(publications[count]!));
    }
    return count;
  }

  writeBatch(publications: readonly Publication[], joined: JoinedEvents): number {
    if (this.full) return 0;
    this.socket.send(joined.batchOf(publications));
    return publications.length;
  }

  items(items: readonly { payload: string; id: string }[], asBatch: boolean): void {
    if (!asBatch) { for (const { payload, id } of items) this.event("message", payload, id); }
    else if (this.socket.readyState === WebSocket.OPEN) this.socket.send(wsBatch(items));
  }

  event(name: string, data: string, id?: string): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(wsEvent(name, data, id));
  }

  comment(): void {}

  close(code: number, reason: string): void {
    if (this.socket.readyState <= WebSocket.OPEN) this.socket.close(code, reason);
  }
}

export class SseSink implements Sink {
  readonly transport = "sse";
  /** The body of the response. */
  readonly body: ReadableStream<Uint8Array>;
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

  #enqueue(bytes: Uint8Array): void {
    try {
      this.#controller?.enqueue(bytes);
    } catch {
      // Closed between the check and the write: its cancel() tells the session.
      this.#controller = undefined;
    }
  }
}
