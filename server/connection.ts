/** One TCP connection, with writes that never wait. */

import { concat } from "../lib/bytes.ts";
import { LINGER_MS } from "../broker/streams/sink.ts";
import type { ReadPace } from "./read_pace.ts";

/** Waiting writes are joined up to this size: one system call, and a bounded copy. */
const JOIN_BYTES = 262_144;
/** Closed after this many linger periods, even if the client reads a little in each. */
const MAX_LINGERS = 30;
/** Size of the buffer for what a client still sends while its connection ends. */
const DISCARD_BYTES = 1_024;

/**
 * Writes go out in order, immediately if the system accepts them. The rest waits here; writers
 * check {@linkcode Connection.buffered}.
 */
export class Connection {
  readonly #conn: Deno.TcpConn;
  readonly #waiting: Uint8Array[] = [];
  #writing = false;
  #reading = false;
  #peerEnded = false;
  #ending = false;
  #closed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #whenClosed: PromiseWithResolvers<void> | undefined;
  /** Called when the system has taken bytes; most connections never have any. */
  #whenTaken: (() => void)[] | undefined;
  /** Throttles a client that sends more than its share; unset while requests are read. */
  pace: ReadPace | undefined;
  /** Bytes that the system has not taken yet. */
  buffered = 0;
  /** Bytes that the system has taken since the start. */
  taken = 0;
  /** Called once when it is closed, whoever closed it. */
  onClosed: (() => void) | undefined;

  constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  /** Nothing more can be written. */
  get over(): boolean {
    return this.#ending || this.#closed;
  }

  /** Resolves when it is closed, whoever closed it. */
  get closed(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#whenClosed ??= Promise.withResolvers();
    return this.#whenClosed.promise;
  }

  /** The caller must not change the bytes afterwards. */
  write(bytes: Uint8Array): void {
    if (this.over) return;
    this.buffered += bytes.length;
    this.#waiting.push(bytes);
    if (!this.#writing) this.#flush();
  }

  /** Calls back once, when the system has taken bytes or the connection is closed. */
  whenTaken(callback: () => void): void {
    if (this.#whenTaken) this.#whenTaken.push(callback);
    else this.#whenTaken = [callback];
  }

  /**
   * Reads at the client's pace and returns the number of bytes, or undefined at the end: the client
   * has closed its sending side, or the connection is closed. One read at a time.
   */
  async read(into: Uint8Array): Promise<number | undefined> {
    this.#reading = true;
    try {
      const wait = this.pace?.wait();
      if (wait) await wait;
      if (this.#closed || this.#peerEnded) return undefined;
      const count = await this.#conn.read(into);
      if (count !== null) {
        this.pace?.count(count);
        return count;
      }
      this.#peerEnded = true;
      if (this.#ending && !this.#writing) this.close();
      return undefined;
    } catch {
      this.close();
      return undefined;
    } finally {
      this.#reading = false;
    }
  }

  /**
   * Accepts no more writes, and closes once everything is sent and the client has closed its side.
   */
  end(): void {
    if (this.over) return;
    this.#ending = true;
    this.linger();
    if (!this.#writing) this.#finish();
  }

  /** Closes it once the client has shown no sign of reading for {@linkcode LINGER_MS}. */
  linger(): void {
    clearTimeout(this.#timer);
    if (!this.#closed) this.#lingerOn(MAX_LINGERS);
  }

  /** Closes it now and discards waiting writes. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiting.length = 0;
    this.buffered = 0;
    clearTimeout(this.#timer);
    this.pace?.stop();
    this.#conn.close();
    this.onClosed?.();
    this.#whenClosed?.resolve();
    this.#tellTaken();
  }

  #tellTaken(): void {
    const callbacks = this.#whenTaken ?? [];
    this.#whenTaken = undefined;
    for (const callback of callbacks) callback();
  }

  #lingerOn(times: number): void {
    const before = this.taken;
    this.#timer = setTimeout(() => {
      if (this.taken > before && times > 1) this.#lingerOn(times - 1);
      else this.close();
    }, LINGER_MS);
  }

  async #flush(): Promise<void> {
    this.#writing = true;
    try {
      while (this.#waiting.length > 0) await this.#writeAll(this.#next());
    } catch {
      this.close();
    }
    this.#writing = false;
    if (this.#ending && !this.#closed) this.#finish();
  }

  /**
   * Closes the sending side, then reads until the client closes its own. If a socket is closed with
   * unread bytes, the system resets the connection and the client may lose the last data.
   */
  async #finish(): Promise<void> {
    try {
      await this.#conn.closeWrite();
    } catch {
      // The client closed first.
      return this.close();
    }
    if (this.#reading) return;
    const discarded = new Uint8Array(DISCARD_BYTES);
    while (await this.read(discarded) !== undefined);
    this.close();
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#closed;) {
      const taken = await this.#conn.write(at === 0 ? bytes : bytes.subarray(at));
      if (this.#closed) return;
      at += taken;
      this.taken += taken;
      this.buffered -= taken;
      if (this.#whenTaken) this.#tellTaken();
    }
  }

  #next(): Uint8Array {
    const waiting = this.#waiting;
    if (waiting.length === 1) return waiting.pop()!;
    let length = 0;
    let count = 0;
    for (const { length: more } of waiting) {
      if (count > 0 && length + more > JOIN_BYTES) break;
      length += more;
      count++;
    }
    if (count === 1) return waiting.shift()!;
    return concat(waiting.splice(0, count));
  }
}

/** Closes a connection that may already be closed. */
export function closeConn(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch {
    // Already closed.
  }
}
