/** A WebSocket of a client, on the server's side (RFC 6455). */

import type { Connection } from "./connection.ts";
import { type FrameHandler, FrameReader } from "./frame_reader.ts";
import { closeFrame, frame, PING, PONG, textFrame } from "../broker/websocket_frame.ts";

export interface WebSocketHandlers {
  onMessage(data: string | ArrayBuffer): void;
  /** A message was longer than it may be; the socket takes no more, and waits to be closed. */
  onTooBig(): void;
  /** The connection is gone. Called once. */
  onGone(): void;
}

/** How long a peer gets to answer a close, from the last sign that it still reads. */
const LINGER_MS = 2_000;
const TOO_BIG = 1009;
const NO_CODE = 1005;
const NOTHING = new Uint8Array(0);

/**
 * Unlike Deno's it takes several frames in one write, so a client that watches many devices costs
 * one system call for all that came in a turn; and it judges a frame by its header, before its bytes
 * are in memory.
 */
export class ServerWebSocket implements FrameHandler {
  #reader: FrameReader | undefined;
  #closing = false;
  #heard = true;
  #lingering: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly connection: Connection,
    private readonly handlers: WebSocketHandlers,
    private readonly maxMessageBytes: number,
  ) {
    connection.onClosed = () => {
      clearTimeout(this.#lingering);
      handlers.onGone();
    };
  }

  /** Bytes that the system has not taken yet. */
  get bufferedAmount(): number {
    return this.connection.buffered;
  }

  get isOpen(): boolean {
    return !this.#closing && !this.connection.over;
  }

  send(text: string): void {
    if (this.isOpen) this.connection.write(textFrame(text));
  }

  /** Sends what {@linkcode textFrame} made, one or several joined. */
  sendFrames(frames: Uint8Array): void {
    if (this.isOpen) this.connection.write(frames);
  }

  /** Closes it when what was sent before is out; the peer gets a while to answer. */
  close(code: number, reason: string): void {
    if (!this.isOpen) return;
    this.connection.write(closeFrame(code, reason));
    this.#closing = true;
    this.#linger();
  }

  /** Throws away what waits to be sent. */
  abandon(): void {
    this.connection.close();
  }

  /** To be called every 20 s: a peer that answered nothing since the last time is gone. */
  beat(): void {
    if (!this.isOpen) return;
    if (!this.#heard) return this.connection.close();
    this.#heard = false;
    this.connection.write(frame(PING, NOTHING));
  }

  /** Bytes of the peer. */
  receive(bytes: Uint8Array): void {
    this.#heard = true;
    // Most peers never send anything but pongs, and then once in 20 s.
    this.#reader ??= new FrameReader(this, this.maxMessageBytes);
    this.#reader.push(bytes);
  }

  // ---- what the reader tells

  onMessage(data: string | ArrayBuffer): void {
    if (this.isOpen) this.handlers.onMessage(data);
  }

  onPing(payload: Uint8Array): void {
    if (this.isOpen) this.connection.write(frame(PONG, payload));
  }

  onClose(code: number): void {
    if (this.isOpen) this.connection.write(closeFrame(code === NO_CODE ? 1000 : code, ""));
    this.#closing = true;
    this.connection.end();
  }

  onViolation(code: number, reason: string): void {
    if (code === TOO_BIG && this.isOpen) this.handlers.onTooBig();
    else this.close(code, reason);
  }

  /** A socket that is closed while bytes of the peer are unread takes what was sent with it. */
  #linger(): void {
    const before = this.connection.buffered;
    this.#lingering = setTimeout(() => {
      if (this.connection.buffered > 0 && this.connection.buffered < before) this.#linger();
      else this.connection.close();
    }, LINGER_MS);
  }
}
