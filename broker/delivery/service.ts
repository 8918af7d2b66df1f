/** Another service, called over HTTP until it seems to be away, and then only now and then. */

import {
  BrokenCircuitError,
  circuitBreaker,
  type CircuitBreakerPolicy,
  ConsecutiveBreaker,
  handleWhen,
} from "cockatiel";
import { DeliveryError } from "./delivery.ts";
import { callJson, type HttpCall } from "./http_call.ts";

export interface ServiceOptions {
  /** Names it in errors: `the backend`. */
  readonly name: string;
  readonly timeoutMs: number;
  /** How long it is left alone while it is away. */
  readonly restMs?: number | undefined;
  /** Called once when it is found to be away, and once when it is back. */
  readonly onAway?: ((away: boolean) => void) | undefined;
}

const FAILURES = 5;
const REST_MS = 5_000;

/** Failures that may pass open a circuit breaker; a refused message says nothing of the service. */
export class Service {
  readonly #breaker: CircuitBreakerPolicy;
  #away = false;

  readonly #restMs: number;

  constructor(private readonly options: ServiceOptions) {
    this.#restMs = options.restMs ?? REST_MS;
    this.#breaker = circuitBreaker(
      handleWhen((error) => error instanceof DeliveryError && !error.permanent),
      { halfOpenAfter: this.#restMs, breaker: new ConsecutiveBreaker(FAILURES) },
    );
    this.#breaker.onBreak(() => this.#say(true));
    this.#breaker.onReset(() => this.#say(false));
  }

  /** The circuit breaks anew whenever it was tried in vain: that is no other outage. */
  #say(away: boolean): void {
    if (this.#away === away) return;
    this.#away = away;
    this.options.onAway?.(away);
  }

  /** @throws {DeliveryError} */
  async call(
    call: Omit<HttpCall, "timeoutMs" | "service">,
    signal?: AbortSignal,
  ): Promise<unknown> {
    const { name: service, timeoutMs } = this.options;
    try {
      return await this.#breaker.execute(() => callJson({ ...call, timeoutMs, service }, signal));
    } catch (error) {
      if (!(error instanceof BrokenCircuitError)) throw error;
      throw new DeliveryError(`${service} is away`, { away: true, retryAfterMs: this.#restMs });
    }
  }
}
