/** The backend that alarms are sent to. */

import { circuitBreaker, CircuitBreakerPolicy, ConsecutiveBreaker, handleWhen } from "cockatiel";
import { BrokenCircuitError } from "cockatiel";
import { DeliveryError } from "./delivery.ts";
import { callJson, type HttpCall } from "./http_call.ts";

export interface BackendOptions {
  /** Without a slash at its end. */
  readonly url: string;
  readonly timeoutMs?: number;
  /** Called once when the backend is found to be away, and once when it is back. */
  readonly onAway?: (away: boolean) => void;
}

const TIMEOUT_MS = 10_000;
const FAILURES = 5;
const HALF_OPEN_MS = 5_000;
const PATH = "/api/mqtt-alerts";

/** Failures that may pass open a circuit breaker; a refused message says nothing of the backend. */
export class Backend {
  readonly #breaker: CircuitBreakerPolicy;
  readonly #options: BackendOptions;

  constructor(options: BackendOptions) {
    this.#options = options;
    this.#breaker = circuitBreaker(
      handleWhen((error) => error instanceof DeliveryError && !error.permanent),
      { halfOpenAfter: HALF_OPEN_MS, breaker: new ConsecutiveBreaker(FAILURES) },
    );
    this.#breaker.onBreak(() => options.onAway?.(true));
    this.#breaker.onReset(() => options.onAway?.(false));
  }

  /** Hands a message over; `id` tells repeats. Returns the recipients that it names. */
  async process(message: unknown, id: string, signal: AbortSignal): Promise<string[]> {
    const answer = await this.#call({
      method: "POST",
      path: `${PATH}/process`,
      headers: { "idempotency-key": id },
      body: message,
    }, signal);
    return recipientsOf(answer);
  }

  /** Whether the company has the site. */
  verifyCompanySite(company: string, site: string): Promise<unknown> {
    const query = new URLSearchParams({ empresa: company, sede: site });
    return this.#call({ method: "GET", path: `${PATH}/verify-empresa-sede?${query}` });
  }

  alerts(): Promise<unknown> {
    return this.#call({ method: "GET", path: PATH });
  }

  alert(id: string): Promise<unknown> {
    return this.#call({ method: "GET", path: `${PATH}/${encodeURIComponent(id)}` });
  }

  async #call(
    { path, ...call }: Pick<HttpCall, "method" | "headers" | "body"> & { readonly path: string },
    signal?: AbortSignal,
  ): Promise<unknown> {
    const { url, timeoutMs = TIMEOUT_MS } = this.#options;
    try {
      return await this.#breaker.execute(() =>
        callJson({ ...call, url: url + path, timeoutMs, service: "the backend" }, signal)
      );
    } catch (error) {
      if (!(error instanceof BrokenCircuitError)) throw error;
      throw new DeliveryError("the backend is away", { retryAfterMs: HALF_OPEN_MS });
    }
  }
}

function recipientsOf(answer: unknown): string[] {
  const { recipients } = (answer ?? {}) as { recipients?: unknown };
  if (!Array.isArray(recipients)) return [];
  return recipients.map(String).filter((number) => /^\+?\d{6,15}$/.test(number));
}
