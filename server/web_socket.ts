/** The server side of a WebSocket (RFC 6455). */

import type { WebSocketHandlers } from "../routes/http/own_server.ts";
import type { Connection } from "./connection.ts";
import { type FrameHandler, FrameReader } from "./frame_reader.ts";
import { closeFrame, frame, PING, PONG, textFrame } from "../broker/streams/websocket_frame.ts";
import { closed } from "../telemetry/metrics.ts";

/** Bytes of pongs that may wait for a client; beyond this only the newest ping is answered. */
export const PONG_BYTES = 4_096;
/** A message must be complete after this many beats, a minute, however slow the network is. */
const MESSAGE_BEATS = 3;
const TOO_BIG = 1009;
const POLICY_VIOLATION = 1008;
const NO_CODE = 1005;
const NOTHING = new Uint8Array(0);

/**
 * Unlike Deno's WebSocket, it takes several frames in one write, so a client that watches many
 * devices costs one system call per turn of the event loop. It checks a frame by its header, before
 * its bytes are in memory.
 */
export class ServerWebSocket implements FrameHandler {
  #reader: FrameReader | undefined;
  #closing = false;
  #heard = true;
  /** Beats since the incomplete message began. */
  #messageBeats = 0;
  /** Bytes of waiting pongs, and the position in the output where the last one ends. */
  #pongBytes = 0;
  #pongsEnd = 0;
  /** The newest ping, while too many pongs wait. */
  #ping: Uint8Array | undefined;

  constructor(
    private readonly connection: Connection,
    private readonly handlers: WebSocketHandlers,
    private readonly maxMessageBytes: number,
  ) {
    connection.onClosed = () => handlers.onGone();
  }

  /** Bytes that the system has not taken yet. */
  get bufferedAmount(): number {
    return this.connection.buffered;
  }

  get taken(): number {
    return this.connection.taken;
  }

  whenTaken(callback: () => void): void {
    this.connection.whenTaken(callback);
  }

  get isOpen(): boolean {
    return !this.#closing && !this.connection.over;
  }

  send(text: string): void {
    if (this.isOpen) this.connection.write(textFrame(text));
  }

  /** Sends frames made by {@linkcode textFrame}, one or several joined. */
  sendFrames(frames: Uint8Array): void {
    if (this.isOpen) this.connection.write(frames);
  }

  /** Closes it after everything sent before; the client has some time to answer. */
  close(code: number, reason: string): void {
    if (!this.isOpen) return;
    this.connection.write(closeFrame(code, reason));
    this.#closing = true;
    this.connection.linger();
  }

  /** Closes it now and discards what waits to be sent. */
  abandon(): void {
    this.connection.close();
  }

  /** To be called every 20 s: a client that sent nothing since the last call is gone. */
  beat(): void {
    if (!this.isOpen) return;
    if (!this.#heard) return this.connection.close();
    this.#heard = false;
    this.#messageBeats = this.#reader?.isWithin ? this.#messageBeats + 1 : 0;
    if (this.#messageBeats > MESSAGE_BEATS) {
      closed.count("message_timeout");
      return this.close(POLICY_VIOLATION, "message timeout");
    }
    this.connection.write(frame(PING, NOTHING));
  }

  /** Takes bytes from the client. */
  receive(bytes: Uint8Array): void {
    this.#heard = true;
    // Created late: most clients only send a pong every 20 s.
    this.#reader ??= new FrameReader(this, this.maxMessageBytes);
    this.#reader.push(bytes);
  }

  // ---- callbacks of the frame reader

  onMessage(data: string | ArrayBuffer): void {
    this.#messageBeats = 0;
    if (this.isOpen) this.handlers.onMessage(data);
  }

  onPing(payload: Uint8Array): void {
    if (!this.isOpen) return;
    if (this.connection.taken >= this.#pongsEnd) this.#pongBytes = 0;
    if (this.#pongBytes < PONG_BYTES) return this.#pong(payload);
    const isFirst = this.#ping === undefined;
    this.#ping = payload;
    if (isFirst) this.#answerNewest();
  }

  onClose(code: number): void {
    if (this.isOpen) this.connection.write(closeFrame(code === NO_CODE ? 1000 : code, ""));
    this.#closing = true;
    this.connection.end();
  }

  /** Nothing that follows is read, not even the answer to the close (RFC 6455, 7.1.7). */
  onViolation(code: number, reason: string): void {
    if (code === TOO_BIG && this.isOpen) this.handlers.onTooBig();
    this.close(code, reason);
    this.connection.end();
  }

  #pong(payload: Uint8Array): void {
    const pong = frame(PONG, payload);
    this.#pongBytes += pong.length;
    this.#pongsEnd = this.connection.taken + this.connection.buffered + pong.length;
    this.connection.write(pong);
  }

  /**
   * Answers the newest ping once the pongs before it are sent; it also answers the pings in between
   * (RFC 6455, 5.5.3).
   */
  #answerNewest(): void {
    if (!this.isOpen) return;
    if (this.connection.taken < this.#pongsEnd) {
      return this.connection.whenTaken(() => this.#answerNewest());
    }
    const ping = this.#ping!;
    this.#ping = undefined;
    this.#pongBytes = 0;
    this.#pong(ping);
  }
}
