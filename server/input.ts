/** What a client sends, read as it is needed. */

import type { Connection } from "./connection.ts";

const FIRST_BYTES = 2_048;

/** Bytes of one connection that have been read, and not been taken yet. */
export class Input {
  #bytes = new Uint8Array(FIRST_BYTES);
  #start = 0;
  #end = 0;
  #reading: Promise<boolean> | undefined;

  constructor(private readonly connection: Connection) {}

  /** Good until more is read. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** Bytes of memory beyond what every connection has. */
  get held(): number {
    return this.#bytes.length - FIRST_BYTES;
  }

  /** Drops the first bytes. */
  skip(length: number): void {
    this.#start += length;
    if (this.#start < this.#end) return;
    this.#start = this.#end = 0;
    // One long request does not cost memory for as long as its connection lives.
    if (this.held > 0 && !this.#reading) this.#bytes = new Uint8Array(FIRST_BYTES);
  }

  /** Reads more, up to `room` bytes or what there is room for; false where no more comes. */
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
