/** The client's end of a WebSocket: it fills up with what was sent and not read. */

export interface Frame {
  readonly text: string;
  /** The instance's position when it was sent. */
  readonly position: number;
  readonly sentAt: number;
}

import type { ClientSocket as ServerSide } from "../../broker/streams/ws_sink.ts";

/**
 * A frame counts as this many bytes, so that a few frames fill a socket and the tests need no
 * megabytes.
 */
const FRAME_BYTES = 600_000;

export interface ClientSocketOptions {
  /** Whether the client reads at once. */
  readonly eager: () => boolean;
  readonly stamp: (text: string) => Frame;
  readonly onFrame: (frame: Frame) => void;
  readonly onClosed: () => void;
}

export class ClientSocket implements ServerSide {
  isOpen = true;
  taken = 0;
  readonly #unread: Frame[] = [];

  constructor(private readonly options: ClientSocketOptions) {}

  get bufferedAmount(): number {
    return this.#unread.length * FRAME_BYTES;
  }

  send(text: string): void {
    if (!this.isOpen) return;
    this.#unread.push(this.options.stamp(text));
    if (this.options.eager()) this.read(Infinity);
  }

  read(frames: number): void {
    for (const frame of this.#unread.splice(0, frames)) {
      this.taken += FRAME_BYTES;
      this.options.onFrame(frame);
    }
  }

  /** The server closes: what it sent before still arrives. */
  close(): void {
    if (!this.isOpen) return;
    this.read(Infinity);
    this.isOpen = false;
    this.options.onClosed();
  }

  abandon(): void {
    this.cut();
    this.options.onClosed();
  }

  /** The network breaks: what was not read is gone. */
  cut(): void {
    this.isOpen = false;
    this.#unread.length = 0;
  }
}
