/** Another service, called over HTTP until it seems to be away, and then only now and then. */

import { type Clock, SYSTEM_CLOCK } from "../../lib/clock.ts";
import { Circuit } from "./circuit.ts";
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
  readonly clock?: Clock | undefined;
}

export interface ServiceCall extends Omit<HttpCall, "timeoutMs" | "service"> {
  /** Names the message that it hands over, the same at every try; undefined for a question. */
  readonly key?: string;
}

const REST_MS = 5_000;

/** Knows by all its calls whether a failure is the service's or the message's. */
export class Service {
  readonly #circuit: Circuit;
  readonly #restMs: number;

  constructor(private readonly options: ServiceOptions) {
    const { restMs = REST_MS, clock = SYSTEM_CLOCK, onAway } = options;
    this.#restMs = restMs;
    this.#circuit = new Circuit({ restMs, clock, onAway });
  }

  /** @throws {DeliveryError} `own` where it fails by itself, and not as the service is away. */
  async call({ key, ...call }: ServiceCall, signal?: AbortSignal): Promise<unknown> {
    const { name: service, timeoutMs } = this.options;
    const circuit = this.#circuit;
    const begun = circuit.begin(key);
    if (!begun) {
      throw new DeliveryError(`${service} is away`, {
        away: true,
        retryAfterMs: this.#restMs,
      });
    }
    try {
      const answer = await callJson({ ...call, timeoutMs, service }, signal);
      circuit.passed(begun);
      return answer;
    } catch (error) {
      // What was cut off here says nothing.
      if (!(error instanceof DeliveryError) || signal?.aborted) throw error;
      if (error.permanent) {
        circuit.answered();
        throw error;
      }
      const own = circuit.failed(begun, { reached: error.contact !== "none" });
      if (own && !error.busy) throw error.with({ own, away: false });
      throw circuit.isOpen ? error.with({ away: true }) : error;
    } finally {
      circuit.end(begun);
    }
  }
}
