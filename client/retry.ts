import type { Ending } from "./link.ts";
import type { TelecastOptions, Transport } from "./types.ts";

/** A connection that lived this long counts as a success: the back-off starts again. */
const STABLE_MS = 5_000;

/** What is known about a connection that has ended. */
export interface Attempt {
  readonly transport: Transport;
  readonly ending: Ending;
  readonly livedMs: number;
  readonly gotFrames: boolean;
  /** Ended by this client to open another one. */
  readonly planned: boolean;
  /** What is left of the time in the server's `goodbye`. */
  readonly goodbyeMs: number | undefined;
  /** The last error frame. */
  readonly error: { readonly code: string; readonly message: string } | undefined;
}

export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly status?: number | undefined;
}

export interface Retry {
  readonly retryInMs: number;
  /** Nothing went wrong, or only what an immediate retry fixes. */
  readonly expected: boolean;
}

export type Verdict =
  | Retry
  | { readonly giveUp: Refusal };

export const AT_ONCE: Retry = { retryInMs: 0, expected: true };

/** Decides how to connect, and after each connection whether and when to try again. */
export class RetryPolicy {
  readonly #options: TelecastOptions;
  readonly #hasWebSocket: boolean;
  #failures = 0;
  #unauthorized = 0;
  /** The WebSocket was refused: SSE is tried or, in WebSocket-only mode, asked for the reason. */
  #probing = false;
  /** How often SSE got through after the WebSocket had just been refused. */
  #onlySse = 0;

  constructor(options: TelecastOptions, hasWebSocket: boolean) {
    this.#options = options;
    this.#hasWebSocket = hasWebSocket;
  }

  /** Failed attempts in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** How to connect next; a `probe` is closed as soon as it opens. */
  plan(): { transport: Transport; probe: boolean } {
    const { transport = "auto" } = this.#options;
    if (transport === "sse" || !this.#hasWebSocket) return { transport: "sse", probe: false };
    if (transport === "ws") {
      return this.#probing ? { transport: "sse", probe: true } : { transport: "ws", probe: false };
    }
    const sse = this.#probing || this.#onlySse >= 2;
    return { transport: sse ? "sse" : "ws", probe: false };
  }

  /** The wait after an attempt that failed before a connection. */
  afterFailure(): Retry {
    return { retryInMs: this.#backoff(), expected: false };
  }

  judge(attempt: Attempt): Verdict {
    const { ending, transport, goodbyeMs } = attempt;
    const wasProbe = this.#probing;
    this.#probing = false;
    if (ending.status !== 401) this.#unauthorized = 0;
    if (attempt.livedMs >= STABLE_MS) this.#failures = 0;

    if (attempt.planned) return AT_ONCE;
    if (goodbyeMs !== undefined) {
      // A server that says goodbye to every new client must not be asked again at once.
      const waitMs = attempt.livedMs < STABLE_MS ? this.#backoff() : 0;
      return { retryInMs: Math.max(goodbyeMs, waitMs), expected: true };
    }
    if (transport === "ws" && !attempt.gotFrames && ending.closeCode !== 1008) {
      this.#probing = true;
      return AT_ONCE;
    }
    if (transport === "ws") this.#onlySse = 0;
    else if (wasProbe && ending.opened) this.#onlySse++;

    const fatal = this.#fatal(attempt);
    if (fatal) return { giveUp: fatal };
    if (ending.status === 401 && this.#unauthorized++ === 0) return AT_ONCE;
    return { retryInMs: Math.max(this.#backoff(), ending.retryAfterMs ?? 0), expected: false };
  }

  #fatal({ ending, error }: Attempt): Refusal | undefined {
    const { status, problem, closeCode, reason } = ending;
    if (closeCode === 1008) return error ?? { code: "policy_violation", message: reason };
    if (status === 401) {
      if (typeof this.#options.token === "function") return undefined;
      return { code: problem?.code ?? "unauthorized", message: reason, status };
    }
    if (status === undefined || status < 400 || status >= 500) return undefined;
    if (status === 408 || status === 425 || status === 429) return undefined;
    return { code: problem?.code ?? `http_${status}`, message: reason, status };
  }

  /** Exponential, with full jitter: clients that lost a server do not all return at once. */
  #backoff(): number {
    const { baseMs, maxMs } = this.#options.backoff ?? { baseMs: 500, maxMs: 30_000 };
    const random = this.#options.random ?? Math.random;
    const ceilingMs = Math.min(maxMs, baseMs * 2 ** Math.min(this.#failures, 30));
    this.#failures++;
    return Math.round(random() * ceilingMs);
  }
}
