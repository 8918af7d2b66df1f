/** A server's TCP connection; the test plays the client and the operating system. */

import { concat } from "../routes/raw.ts";

type Settle = () => void;

export class FakeConn {
  /** How many bytes the system accepts in one write. */
  atOnce = Infinity;
  /** The server closed its sending side. */
  sentEnd = false;
  /** Called with the bytes that the system accepted. */
  onTaken: ((bytes: Uint8Array) => void) | undefined;
  closed = false;
  /** Reads that the server has started, and the bytes they returned. */
  reads = 0;
  readBytes = 0;
  readonly #written: Uint8Array[] = [];
  #room = Infinity;
  #incoming: Uint8Array = new Uint8Array();
  #peerEnded = false;
  #error: Error | undefined;
  #waiting: Settle[] = [];

  /** For code that expects a connection from Deno. */
  get conn(): Deno.TcpConn {
    return this as unknown as Deno.TcpConn;
  }

  /** The bytes that the system accepted. */
  get written(): Uint8Array {
    return concat(...this.#written);
  }

  /** How many bytes the system still accepts; a write waits while this is 0. */
  get room(): number {
    return this.#room;
  }

  set room(bytes: number) {
    this.#room = bytes;
    this.#changed();
  }

  // ---- the client

  /** The client sends bytes. */
  send(bytes: Uint8Array): void {
    this.#incoming = concat(this.#incoming, bytes);
    this.#changed();
  }

  /** The client closes its sending side; it may still read. */
  endSending(): void {
    this.#peerEnded = true;
    this.#changed();
  }

  /** The client resets the connection; bytes in flight are lost. */
  reset(): void {
    this.#error = new Deno.errors.ConnectionReset("reset");
    this.#changed();
  }

  /** The client closes in an orderly way and is gone: the server's next write fails. */
  vanish(): void {
    this.#peerEnded = true;
    this.#error = new Deno.errors.BrokenPipe("gone");
    this.#changed();
  }

  // ---- what Connection calls

  async write(bytes: Uint8Array): Promise<number> {
    while (this.#room === 0 && !this.closed && !this.#error) await this.#change();
    this.#throwIfOver();
    const taken = Math.min(bytes.length, this.#room, this.atOnce);
    this.#room -= taken;
    this.#written.push(bytes.slice(0, taken));
    this.onTaken?.(bytes.subarray(0, taken));
    return taken;
  }

  async read(into: Uint8Array): Promise<number | null> {
    this.reads++;
    const isOver = () => this.#peerEnded || this.closed || this.#error;
    while (this.#incoming.length === 0 && !isOver()) await this.#change();
    if (this.#peerEnded && this.#incoming.length === 0 && !this.closed) return null;
    this.#throwIfOver();
    const count = Math.min(into.length, this.#incoming.length);
    into.set(this.#incoming.subarray(0, count));
    this.#incoming = this.#incoming.subarray(count);
    this.readBytes += count;
    return count;
  }

  // deno-lint-ignore require-await -- same signature as Deno's
  async closeWrite(): Promise<void> {
    this.#throwIfOver();
    this.sentEnd = true;
  }

  close(): void {
    if (this.closed) throw new Deno.errors.BadResource("closed");
    this.closed = true;
    this.#changed();
  }

  #throwIfOver(): void {
    if (this.closed) throw new Deno.errors.BadResource("closed");
    if (this.#error) throw this.#error;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #changed(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
