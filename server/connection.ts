/** One TCP connection, with writes that never wait. */

/** What waits is joined up to here: one system call, and a bound for the copy. */
const JOIN_BYTES = 262_144;

/**
 * What is written goes out in order, at once where the system takes it. What it does not take waits
 * here; whoever writes looks at {@linkcode Connection.buffered}.
 */
export class Connection {
  readonly #conn: Deno.TcpConn;
  readonly #waiting: Uint8Array[] = [];
  #writing = false;
  #ending = false;
  #closed = false;
  /** Bytes that the system has not taken yet. */
  buffered = 0;
  /** Called once when it is closed, whoever closed it. */
  onClosed: (() => void) | undefined;

  constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  /** Nothing more can be written. */
  get over(): boolean {
    return this.#ending || this.#closed;
  }

  /** The bytes must not change from now on. */
  write(bytes: Uint8Array): void {
    if (this.over) return;
    this.buffered += bytes.length;
    this.#waiting.push(bytes);
    if (!this.#writing) this.#flush();
  }

  /** How many bytes came; undefined when there are no more. Others must not read meanwhile. */
  async read(into: Uint8Array): Promise<number | undefined> {
    if (this.#closed) return undefined;
    try {
      return await this.#conn.read(into) ?? undefined;
    } catch {
      return undefined;
    }
  }

  /** Closes it when what was written before is out. */
  end(): void {
    this.#ending = true;
    if (!this.#writing) this.close();
  }

  /** Closes it now. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiting.length = 0;
    this.#conn.close();
    this.onClosed?.();
  }

  async #flush(): Promise<void> {
    this.#writing = true;
    try {
      while (this.#waiting.length > 0) await this.#writeAll(this.#next());
    } catch {
      this.close();
    }
    this.#writing = false;
    if (this.#ending) this.close();
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#closed;) {
      const taken = await this.#conn.write(at === 0 ? bytes : bytes.subarray(at));
      at += taken;
      this.buffered -= taken;
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
    const joined = new Uint8Array(length);
    let at = 0;
    for (const bytes of waiting.splice(0, count)) {
      joined.set(bytes, at);
      at += bytes.length;
    }
    return joined;
  }
}

/** Closes what may be closed already. */
export function closeConn(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch {
    // It is closed.
  }
}
