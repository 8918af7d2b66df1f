import type { TelecastOptions } from "./types.ts";
import { expiryMs } from "./values.ts";

/** How long before its expiry a token is renewed. */
const RENEW_BEFORE_MS = 10_000;
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Holds the token that connections use, and requests new ones. */
export class TokenKeeper {
  readonly #source: TelecastOptions["token"];
  #current: string | undefined;
  #unauthorized = false;

  constructor(source: TelecastOptions["token"]) {
    this.#source = source;
  }

  get current(): string | undefined {
    return this.#current;
  }

  /** Requests the token of the next connection. */
  async ask(): Promise<void> {
    const unauthorized = this.#unauthorized;
    this.#unauthorized = false;
    this.#current = typeof this.#source === "function"
      ? await this.#source({ unauthorized })
      : this.#source;
  }

  /** The server has answered 401. */
  refused(): void {
    this.#unauthorized = true;
  }

  /**
   * Requests another token shortly before this one expires, and calls `onRenewed` if there is one:
   * the stream then moves over without a pause. Returns a function that cancels this.
   */
  renewInTime(onRenewed: () => void): () => void {
    const dueMs = (expiryMs(this.#current) ?? Infinity) - Date.now() - RENEW_BEFORE_MS;
    // Already due: this clock is wrong, or tokens are short-lived. The server's goodbye decides.
    if (typeof this.#source !== "function" || dueMs <= 0 || dueMs > MAX_TIMER_MS) return () => {};
    const source = this.#source;
    let called = true;
    const timer = setTimeout(async () => {
      const next = await Promise.resolve(source({ unauthorized: false })).catch(() => undefined);
      if (called && next !== undefined && next !== this.#current) onRenewed();
    }, dueMs);
    return () => {
      called = false;
      clearTimeout(timer);
    };
  }
}
