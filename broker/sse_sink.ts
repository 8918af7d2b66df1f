/** Writes a session's messages as Server-Sent Events. */

import {
  join,
  type JoinedEvents,
  SSE_COMMENT,
  SSE_RETRY,
  sseEvent,
  ssePosition,
} from "./client_frame.ts";
import type { Publication } from "./message.ts";
import { type Sink, SOCKET_BYTES } from "./sink.ts";

/** The body of an event stream, as far as it is written to. */
export interface EventBody {
  /** Bytes that the system has not taken yet. */
  readonly buffered: number;
  readonly isOpen: boolean;
  /** Calls back once, when bytes were taken or it is closed; not every body can. */
  whenTaken?(callback: () => void): void;
  write(bytes: Uint8Array): void;
  /** Ends the stream when what was written before is out. */
  end(): void;
  /** Throws away what waits, so that the client can tell that this is no end. */
  abandon(): void;
}

export class SseSink implements Sink {
  readonly transport = "sse";
  #written = 0;

  constructor(private readonly body: EventBody) {}

  get buffered(): number {
    return this.body.buffered;
  }

  get taken(): number {
    return this.#written - this.buffered;
  }

  get full(): boolean {
    return this.body.buffered >= SOCKET_BYTES || !this.body.isOpen;
  }

  whenTaken(callback: () => void): boolean {
    this.body.whenTaken?.(callback);
    return this.body.whenTaken !== undefined;
  }

  open(position: string | undefined): void {
    this.#write(position === undefined ? SSE_RETRY : join([SSE_RETRY, ssePosition(position)]));
  }

  write(publications: readonly Publication[], joined: JoinedEvents): number {
    if (this.full) return 0;
    this.#write(joined.of(publications));
    return publications.length;
  }

  writeBatch(publications: readonly Publication[], joined: JoinedEvents): number {
    return this.write(publications, joined);
  }

  items(items: readonly { payload: string; id: string }[]): void {
    this.#write(join(items.map(({ payload, id }) => sseEvent("message", payload, id))));
  }

  event(name: string, data: string, id?: string): void {
    this.#write(sseEvent(name, data, id));
  }

  comment(): void {
    // A client that has not read what is there needs no proof of life, and its memory is bounded.
    if (!this.full) this.#write(SSE_COMMENT);
  }

  close(): void {
    this.body.end();
  }

  abandon(): void {
    this.body.abandon();
  }

  #write(bytes: Uint8Array): void {
    this.#written += bytes.length;
    this.body.write(bytes);
  }
}
