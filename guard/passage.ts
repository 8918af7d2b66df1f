/** One client's connection, passed on byte for byte. */

import type { GuardLimits, Refusal } from "./protocol.ts";

/** What clients send is small; what they get comes in bursts. */
const UP_BYTES = 2_048;
const DOWN_BYTES = 16_384;

/**
 * Between a client and the program. A client that does not finish its request, leaves its connection
 * idle or does not read is closed by {@linkcode Passage.check}, which somebody calls every second.
 */
export class Passage {
  readonly #since: number;
  /** When the program sent something last. */
  #answered: number | undefined;
  /** Since when the client takes nothing of what waits for it. */
  #blocked: number | undefined;
  #closed = false;

  constructor(
    private readonly client: Deno.Conn,
    private readonly program: Deno.Conn,
    private readonly limits: GuardLimits,
  ) {
    this.#since = performance.now();
  }

  /** Resolves when both sides are closed. */
  async run(): Promise<void> {
    const up = this.#pass(this.client, this.program, UP_BYTES);
    const down = this.#pass(this.program, this.client, DOWN_BYTES);
    // Once the program has no more to say the client is not waited for.
    await Promise.race([down, up.then(() => down)]).catch(() => {});
    this.close();
    await Promise.allSettled([up, down]);
  }

  /** Closes it where a limit is overstepped; tells which. */
  check(now: number): Refusal | undefined {
    if (this.#closed) return undefined;
    const { handshakeMs, idleMs, writeMs } = this.limits;
    const refusal = this.#answered === undefined && now - this.#since > handshakeMs
      ? "handshake_timeout"
      : this.#blocked !== undefined && now - this.#blocked > writeMs
      ? "write_timeout"
      : this.#answered !== undefined && this.#blocked === undefined && now - this.#answered > idleMs
      ? "idle_timeout"
      : undefined;
    if (refusal) this.close();
    return refusal;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const side of [this.client, this.program]) {
      try {
        side.close();
      } catch {
        // It went first.
      }
    }
  }

  async #pass(from: Deno.Conn, to: Deno.Conn, size: number): Promise<void> {
    const down = from === this.program;
    const buffer = new Uint8Array(size);
    try {
      for (;;) {
        const count = await from.read(buffer);
        if (count === null) return await to.closeWrite();
        if (down) this.#answered = performance.now();
        for (let sent = 0; sent < count;) {
          if (down) this.#blocked = performance.now();
          sent += await to.write(buffer.subarray(sent, count));
        }
        if (down) this.#blocked = undefined;
      }
    } catch {
      this.close();
    }
  }
}
