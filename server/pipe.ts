/** One connection, forwarded byte for byte. */

import { closeConn } from "./connection.ts";
import { ReadPace } from "./read_pace.ts";

const CHUNK_BYTES = 16_384;

export interface GuardedPipeOptions {
  /** Bytes from the client that were read already. */
  readonly first: Uint8Array;
  /** How long both sides may be silent. */
  readonly idleMs: number;
  /** How long the client may read nothing of what waits for it. */
  readonly writeMs: number;
  /** Called before it is closed for one of these reasons. */
  onTimeout(reason: "idle_timeout" | "not_read"): void;
}

/** Resolves when the server has sent everything or either side is gone; both are closed then. */
export async function pipe(
  client: Deno.TcpConn,
  server: Deno.TcpConn,
  options: GuardedPipeOptions,
): Promise<void> {
  const pipe = new GuardedPipe(client, server, options);
  pipe.up().catch(() => closeConn(server));
  await pipe.down().catch(() => {});
  pipe.close();
}

class GuardedPipe {
  #movedAt = performance.now();
  /** Deno's server reads without a limit. */
  readonly #pace = new ReadPace();
  /** Since when the client reads nothing. */
  #blockedAt: number | undefined;
  #timer: ReturnType<typeof setTimeout>;

  constructor(
    private readonly client: Deno.TcpConn,
    private readonly server: Deno.TcpConn,
    private readonly options: GuardedPipeOptions,
  ) {
    this.#timer = this.#checkIn(Math.min(options.idleMs, options.writeMs));
  }

  async up(): Promise<void> {
    await this.#writeAll(this.server, this.options.first);
    await this.#copy(this.client, this.server, this.#pace);
    await this.server.closeWrite();
  }

  down(): Promise<void> {
    return this.#copy(this.server, this.client);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#pace.stop();
    closeConn(this.client);
    closeConn(this.server);
  }

  async #copy(from: Deno.TcpConn, to: Deno.TcpConn, pace?: ReadPace): Promise<void> {
    const bytes = new Uint8Array(CHUNK_BYTES);
    for (;;) {
      await pace?.wait();
      const length = await from.read(bytes);
      if (length === null) return;
      pace?.count(length);
      this.#movedAt = performance.now();
      await this.#writeAll(to, bytes.subarray(0, length));
    }
  }

  async #writeAll(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      if (to === this.client) this.#blockedAt = performance.now();
      at += await to.write(bytes.subarray(at));
      if (to === this.client) this.#blockedAt = undefined;
    }
  }

  #checkIn(ms: number): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      const { idleMs, writeMs } = this.options;
      const now = performance.now();
      const left = this.#blockedAt === undefined
        ? this.#movedAt + idleMs - now
        : this.#blockedAt + writeMs - now;
      // A client may stop reading in the meantime.
      if (left > 0) {
        this.#timer = this.#checkIn(Math.min(left, writeMs));
        return;
      }
      this.options.onTimeout(this.#blockedAt === undefined ? "idle_timeout" : "not_read");
      this.close();
    }, ms);
  }
}
