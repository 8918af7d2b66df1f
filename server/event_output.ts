/** The body of an event stream, in the chunked coding (RFC 9112, 7.1). */

import { SSE_COMMENT } from "../broker/streams/client_frame.ts";
import type { Connection } from "./connection.ts";

/**
 * Waits after comments that detect a client that is gone, also behind the guard. Later, the regular
 * comments do that.
 */
const PROBE_MS = [50, 500, 500, 1_000, 1_000, 0];
const LAST_CHUNK = new Uint8Array([48, 13, 10, 13, 10]);
const encoder = new TextEncoder();

/** The last chunk made: clients that get the same bytes share it. */
let made: { readonly bytes: Uint8Array; readonly chunk: Uint8Array } | undefined;

function chunkOf(bytes: Uint8Array): Uint8Array {
  if (made?.bytes === bytes) return made.chunk;
  const size = encoder.encode(`${bytes.length.toString(16)}\r\n`);
  const chunk = new Uint8Array(size.length + bytes.length + 2);
  chunk.set(size);
  chunk.set(bytes, size.length);
  chunk[chunk.length - 2] = 13;
  chunk[chunk.length - 1] = 10;
  made = { bytes, chunk };
  return chunk;
}

export class EventOutput {
  /** Chunks written before the response head. */
  #held: Uint8Array[] | undefined = [];
  #heldBytes = 0;
  #ended = false;

  constructor(
    private readonly connection: Connection,
    onGone: () => void,
    /** False for HTTP/1.0, which has no chunks: the end of the connection ends the stream. */
    private readonly options: { readonly chunked: boolean } = { chunked: true },
  ) {
    connection.onClosed = onGone;
  }

  /** Bytes that the system has not taken yet. */
  get buffered(): number {
    return this.connection.buffered + this.#heldBytes;
  }

  get taken(): number {
    return this.connection.taken;
  }

  whenTaken(callback: () => void): void {
    this.connection.whenTaken(callback);
  }

  get isOpen(): boolean {
    return !this.#ended && !this.connection.over;
  }

  write(bytes: Uint8Array): void {
    if (!this.isOpen) return;
    const chunk = this.options.chunked ? chunkOf(bytes) : bytes;
    if (!this.#held) return this.connection.write(chunk);
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
  }

  /** Ends the stream after everything written before is sent. */
  end(): void {
    if (!this.isOpen) return;
    this.#ended = true;
    if (!this.#held) this.#finish();
  }

  /**
   * To be called when the client has closed its sending side: it still reads, or it is gone. The
   * system reports that only to a writer, after a round trip. So comments are written until it has
   * reported, or has had time to. Resolves when the connection is closed.
   */
  async outlivePeer(): Promise<void> {
    for (const waitMs of PROBE_MS) {
      if (!this.isOpen) break;
      if (this.buffered === 0) this.write(SSE_COMMENT);
      await this.#closedWithin(waitMs);
    }
    await this.connection.closed;
  }

  /** Discards what waits, without a last chunk: the client can tell that the stream was cut off. */
  abandon(): void {
    this.connection.close();
  }

  /** Writes the response head, then what was written so far. */
  start(head: Uint8Array): void {
    this.connection.write(head);
    for (const chunk of this.#held ?? []) this.connection.write(chunk);
    this.#held = undefined;
    this.#heldBytes = 0;
    if (this.#ended) this.#finish();
  }

  #finish(): void {
    if (this.options.chunked) this.connection.write(LAST_CHUNK);
    this.connection.end();
  }

  async #closedWithin(ms: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
    await Promise.race([this.connection.closed, late]);
    clearTimeout(timer);
  }
}
