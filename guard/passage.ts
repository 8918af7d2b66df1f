/** One client's connection, passed on byte for byte. */

import type { Socket } from "node:net";
import type { GuardLimits, Refusal } from "./protocol.ts";

/**
 * Clients send commands and small bodies. One that floods would have the program read it all, frames
 * of 60 MB on `/ws` even as a whole, and would cost everybody time.
 */
const UP_BYTES_A_SECOND = 1_048_576;
const UP_BURST_BYTES = 2_097_152;

/**
 * Between a client and the program. A client that does not finish its request, leaves its connection
 * idle or does not read is closed by {@linkcode Passage.check}, which somebody calls every second.
 */
export class Passage {
  readonly #since = performance.now();
  /** When the program sent something last. */
  #answered: number | undefined;
  /** Since when the client takes nothing of what waits for it, and how much it had taken then. */
  #blocked: { readonly since: number; readonly taken: number } | undefined;
  #closed = false;
  /** What the client may send until the next check. */
  #credit = UP_BURST_BYTES;

  constructor(
    private readonly client: Socket,
    private readonly program: Socket,
    private readonly options: { readonly limits: GuardLimits; readonly onClosed: () => void },
  ) {
    for (const side of [client, program]) {
      side.setNoDelay(true);
      side.on("error", () => this.close());
      side.on("close", () => this.close());
    }
    program.on("data", () => this.#answered = performance.now());
    client.on("data", (chunk: Uint8Array) => {
      this.#credit -= chunk.length;
      if (!program.write(chunk) || this.#credit <= 0) client.pause();
    });
    client.on("end", () => program.end());
    program.on("drain", () => this.#readOn());
    program.pipe(client);
  }

  /** To be called every second. Closes it where a limit is overstepped; tells which. */
  check(now: number): Refusal | undefined {
    this.#credit = Math.min(UP_BURST_BYTES, this.#credit + UP_BYTES_A_SECOND);
    this.#readOn();
    const refusal = this.#refusal(now);
    if (refusal) this.close();
    return refusal;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.client.destroy();
    this.program.destroy();
    this.options.onClosed();
  }

  #readOn(): void {
    if (this.#credit > 0 && !this.program.writableNeedDrain) this.client.resume();
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
    if (this.#blocked) return now - this.#blocked.since > writeMs ? "write_timeout" : undefined;
    return now - this.#answered > idleMs ? "idle_timeout" : undefined;
  }
}
