/** Writes a session's messages to a WebSocket. */

import { type JoinedEvents, wsBatch, wsEvent, wsEventFrames, wsMessage } from "./client_frame.ts";
import type { Publication } from "../messages/message.ts";
import { type Sink, SOCKET_BYTES, UnreadEvents } from "./sink.ts";

/** The write side of a client's WebSocket. */
export interface ClientSocket {
  /** Bytes that the system has not taken yet. */
  readonly bufferedAmount: number;
  /** Bytes that the system has taken since the start, counted as in `bufferedAmount`. */
  readonly taken: number;
  readonly isOpen: boolean;
  /** Calls back once, when bytes were taken or it is closed; not every socket supports it. */
  whenTaken?(callback: () => void): void;
  send(text: string): void;
  /** Sends one or more whole frames in one write; not every socket supports it. */
  sendFrames?(frames: Uint8Array): void;
  close(code: number, reason: string): void;
  /** Ends the connection of a client that does not read. */
  abandon(): void;
}

export class WsSink implements Sink {
  readonly transport = "ws";
  readonly #unread = new UnreadEvents();

  constructor(private readonly socket: ClientSocket) {}

  get buffered(): number {
    return this.socket.bufferedAmount;
  }

  get taken(): number {
    return this.socket.taken;
  }

  get full(): boolean {
    return this.socket.bufferedAmount > SOCKET_BYTES || !this.socket.isOpen;
  }

  whenTaken(callback: () => void): boolean {
    this.socket.whenTaken?.(callback);
    return this.socket.whenTaken !== undefined;
  }

  open(): void {}

  write(publications: readonly Publication[], joined: JoinedEvents): number {
    if (this.socket.sendFrames) {
      return this.#sendFrames(publications, (some) => joined.framesOf(some));
    }
    let count = 0;
    for (; count < publications.length && !this.full; count++) {
      this.socket.send(wsMessage(publications[count]!));
    }
    return count;
  }

  writeBatch(publications: readonly Publication[], joined: JoinedEvents): number {
    if (this.socket.sendFrames) {
      return this.#sendFrames(publications, (all) => joined.batchFrameOf(all));
    }
    if (this.full) return 0;
    this.socket.send(joined.batchOf(publications));
    return publications.length;
  }

  items(items: readonly { payload: string; id: string }[], asBatch: boolean): void {
    if (asBatch) this.socket.send(wsBatch(items));
    else for (const { payload, id } of items) this.socket.send(wsEvent("message", payload, id));
  }

  event(name: string, data: string, id?: string): void {
    if (!this.socket.isOpen) return;
    const text = wsEvent(name, data, id);
    if (this.#unread.admits(text.length, this.full)) this.socket.send(text);
    else this.abandon();
  }

  events(name: string, data: readonly string[], joined?: JoinedEvents): void {
    if (!this.socket.isOpen) return;
    if (!this.socket.sendFrames) {
      for (const text of data) this.socket.send(wsEvent(name, text));
    } else {
      this.socket.sendFrames(joined?.eventFramesOf(name, data) ?? wsEventFrames(name, data));
    }
  }

  comment(): void {}

  close(code: number, reason: string): void {
    this.socket.close(code, reason);
  }

  abandon(): void {
    this.socket.abandon();
  }

  #sendFrames(
    publications: readonly Publication[],
    framesOf: (publications: readonly Publication[]) => Uint8Array,
  ): number {
    if (this.full) return 0;
    this.socket.sendFrames!(framesOf(publications));
    return publications.length;
  }
}
