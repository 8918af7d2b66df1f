/** The body of an event stream, in the chunked coding (RFC 9112, 7.1). */

import type { Connection } from "./connection.ts";

const LAST_CHUNK = new Uint8Array([48, 13, 10, 13, 10]);
const encoder = new TextEncoder();

/** What clients that get the same have in common is made into a chunk once. */
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
  /** What is written before the head of the answer is. */
  #held: Uint8Array[] | undefined = [];
  #ended = false;

  constructor(private readonly connection: Connection, onGone: () => void) {
    connection.onClosed = onGone;
  }

  /** Bytes that the system has not taken yet. */
  get buffered(): number {
    return this.connection.buffered;
  }

  get isOpen(): boolean {
    return !this.#ended && !this.connection.over;
  }

  write(bytes: Uint8Array): void {
    if (!this.isOpen) return;
    const chunk = chunkOf(bytes);
    if (this.#held) this.#held.push(chunk);
    else this.connection.write(chunk);
  }

  /** Ends the stream when what was written before is out. */
  end(): void {
    if (!this.isOpen) return;
    this.#ended = true;
    if (this.#held) return;
    this.connection.write(LAST_CHUNK);
    this.connection.end();
  }

  /** Throws away what waits, so that the client can tell that this is no end. */
  abandon(): void {
    this.connection.close();
  }

  /** Writes the head of the answer; what was written so far follows. */
  start(head: Uint8Array): void {
    this.connection.write(head);
    for (const chunk of this.#held ?? []) this.connection.write(chunk);
    this.#held = undefined;
    if (!this.#ended) return;
    this.connection.write(LAST_CHUNK);
    this.connection.end();
  }
}
