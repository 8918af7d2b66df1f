/** Input from a client, read on demand. */

import type { Connection } from "./connection.ts";

const FIRST_BYTES = 2_048;

/** Bytes of one connection that were read but not consumed yet. */
export class Input {
  #bytes = new Uint8Array(FIRST_BYTES);
  #start = 0;
  #end = 0;
  #reading: Promise<boolean> | undefined;

  constructor(private readonly connection: Connection) {}

  /** Valid until more is read. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** Bytes of memory beyond the first buffer, which every connection has. */
  get held(): number {
    return this.#bytes.length - FIRST_BYTES;
  }

  /** Drops the first bytes. */
  skip(length: number): void {
    this.#start += length;
    if (this.#start < this.#end) return;
    this.#start = this.#end = 0;
    // One long request must not hold memory for the life of its connection.
    if (this.held > 0 && !this.#reading) this.#bytes = new Uint8Array(FIRST_BYTES);
  }

  /** Reads more, into at least `room` bytes; false at the end of the input. */
  more(room = 1): Promise<boolean> {
    return this.#reading ??= this.#more(room).finally(() => this.#reading = undefined);
  }

  async #more(room: number): Promise<boolean> {
    if (this.#bytes.length - this.#end < room) this.#makeRoom(room);
    const bytes = this.#bytes;
    const read = await this.connection.read(bytes.subarray(this.#end));
    if (read === undefined) return false;
    this.#end += read;
    return true;
  }

  #makeRoom(room: number): void {
    const kept = this.bytes;
    let length = this.#bytes.length;
    while (length < kept.length + room) length *= 2;
    const bytes = length > this.#bytes.length ? new Uint8Array(length) : this.#bytes;
    bytes.set(kept);
    this.#bytes = bytes;
    this.#start = 0;
    this.#end = kept.length;
  }
}
