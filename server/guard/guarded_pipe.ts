/** One client's connection, forwarded byte for byte. */

import type { Socket } from "node:net";
import type { GuardLimits, Refusal } from "./protocol.ts";

/** How long a client has to close its side after everything is sent. */
const LINGER_MS = 2_000;

/** Bytes that clients have sent and the program has not read, in all pipes of a guard. */
export interface Unread {
  bytes: number;
  pipes: number;
}

export interface GuardedPipeOptions {
  readonly limits: GuardLimits;
  readonly unread: Unread;
  /** The program sent its first byte. */
  onAnswered(): void;
  onClosed(reason: Refusal | undefined): void;
}

/**
 * Connects a client with the program. Either may close its sending side and still read. A client is
 * closed if it does not finish its request, leaves its connection idle, does not read, or sends far
 * more than the program reads.
 */
export class GuardedPipe {
  readonly #since = performance.now();
  /** When the program last sent something. */
  #answered: number | undefined;
  /** Since when the client reads nothing of what waits for it, and how much it had read by then. */
  #blocked: { readonly since: number; readonly taken: number } | undefined;
  /** When the client had received everything and the program had ended. */
  #sentAll: number | undefined;
  #unreadBytes = 0;
  #closed = false;

  constructor(
    private readonly client: Socket,
    private readonly program: Socket,
    private readonly options: GuardedPipeOptions,
  ) {
    for (const side of [client, program]) {
      side.setNoDelay(true);
      side.on("error", () => this.close());
    }
    client.on("close", () => this.close());
    // What it sent before it ended may still be on its way to the client.
    program.on("close", () => program.readableEnded || this.close());
    program.on("data", () => {
      if (this.#answered === undefined) options.onAnswered();
      this.#answered = performance.now();
    });
    // Deno keeps reading from a paused TLS socket, without a limit.
    const canPause = !("encrypted" in client);
    client.on("data", (chunk: Uint8Array) => {
      if (program.destroyed) return;
      if (!program.write(chunk) && canPause) client.pause();
      this.#countUnread();
    });
    program.on("drain", () => {
      client.resume();
      this.#countUnread();
    });
    client.on("end", () => program.end());
    client.on("finish", () => this.#sentAll = performance.now());
    program.pipe(client);
  }

  /** To be called every second. */
  check(now: number): void {
    const refusal = this.#refusal(now);
    if (refusal || this.#sentAll !== undefined && now - this.#sentAll > LINGER_MS) {
      this.close(refusal);
    }
  }

  /** `reason` is given if a limit was exceeded. */
  close(reason?: Refusal): void {
    if (this.#closed) return;
    this.#closed = true;
    this.client.destroy();
    this.program.destroy();
    this.options.unread.bytes -= this.#unreadBytes;
    this.options.onClosed(reason);
  }

  /** If the total is too high, a client that holds more than its share is closed. */
  #countUnread(): void {
    const { unread, limits: { maxUnreadBytes } } = this.options;
    const bytes = this.program.writableLength;
    unread.bytes += bytes - this.#unreadBytes;
    this.#unreadBytes = bytes;
    if (unread.bytes <= maxUnreadBytes || this.#closed) return;
    if (bytes > maxUnreadBytes / unread.pipes) this.close("flood");
  }

  #refusal(now: number): Refusal | undefined {
    const { handshakeMs, idleMs, writeMs } = this.options.limits;
    if (this.#answered === undefined) {
      return now - this.#since > handshakeMs ? "handshake_timeout" : undefined;
    }
    const { writableLength, bytesWritten } = this.client;
    const taken = bytesWritten - writableLength;
    if (writableLength === 0) this.#blocked = undefined;
    else if (this.#blocked?.taken !== taken) this.#blocked = { since: now, taken };
    if (this.#blocked) return now - this.#blocked.since > writeMs ? "not_read" : undefined;
    return now - this.#answered > idleMs ? "idle_timeout" : undefined;
  }
}
