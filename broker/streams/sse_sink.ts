/** Writes a session's messages as Server-Sent Events. */

import { concat } from "../../lib/bytes.ts";
import { type JoinedEvents, SSE_COMMENT, sseEvent, sseEvents, sseStart } from "./client_frame.ts";
import type { Publication } from "../messages/message.ts";
import { type Sink, SOCKET_BYTES, UnreadEvents } from "./sink.ts";

/** The write side of an event stream's body. */
export interface EventBody {
  /** Bytes that the system has not taken yet. */
  readonly buffered: number;
  /** Bytes that the system has taken since the start, counted as in `buffered`. */
  readonly taken: number;
  readonly isOpen: boolean;
  /** Calls back once, when bytes were taken or it is closed; not every body supports it. */
  whenTaken?(callback: () => void): void;
  write(bytes: Uint8Array): void;
  /** Ends the stream once everything written before has been sent. */
  end(): void;
  /** Discards waiting data; the client can tell this from a regular end. */
  abandon(): void;
}

export class SseSink implements Sink {
  readonly transport = "sse";
  readonly #unread = new UnreadEvents();

  constructor(private readonly body: EventBody) {}

  get buffered(): number {
    return this.body.buffered;
  }

  get taken(): number {
    return this.body.taken;
  }

  get full(): boolean {
    return this.body.buffered >= SOCKET_BYTES || !this.body.isOpen;
  }

  whenTaken(callback: () => void): boolean {
    this.body.whenTaken?.(callback);
    return this.body.whenTaken !== undefined;
  }

  open(position: string | undefined): void {
    this.body.write(sseStart(position));
  }

  write(publications: readonly Publication[], joined: JoinedEvents): number {
    if (this.full) return 0;
    this.body.write(joined.of(publications));
    return publications.length;
  }

  writeBatch(publications: readonly Publication[], joined: JoinedEvents): number {
    return this.write(publications, joined);
  }

  items(items: readonly { payload: string; id: string }[]): void {
    this.body.write(concat(items.map(({ payload, id }) => sseEvent("message", payload, id))));
  }

  event(name: string, data: string, id?: string): void {
    if (!this.body.isOpen) return;
    const bytes = sseEvent(name, data, id);
    if (this.#unread.admits(bytes.length, this.full)) this.body.write(bytes);
    else this.abandon();
  }

  events(name: string, data: readonly string[], joined?: JoinedEvents): void {
    this.body.write(joined?.eventsOf(name, data) ?? sseEvents(name, data));
  }

  comment(): void {
    // A full socket has enough data to keep the connection busy, and its memory is bounded.
    if (!this.full) this.body.write(SSE_COMMENT);
  }

  close(): void {
    this.body.end();
  }

  abandon(): void {
    this.body.abandon();
  }
}
