/** Another service, called over HTTP; while it seems unavailable, it is only probed. */

import { type Clock, SYSTEM_CLOCK } from "../../lib/clock.ts";
import { Circuit } from "./circuit.ts";
import { DeliveryError } from "./delivery.ts";
import { callJson, type HttpCall } from "./http_call.ts";

export interface ServiceOptions {
  /** Its name in errors, e.g. `the backend`. */
  readonly name: string;
  readonly timeoutMs: number;
  /** Pause between two probes while it is unavailable. */
  readonly restMs?: number | undefined;
  /** Called once when it becomes unavailable, and once when it recovers. */
  readonly onAway?: ((away: boolean) => void) | undefined;
  readonly clock?: Clock | undefined;
}

export interface ServiceCall extends Omit<HttpCall, "timeoutMs" | "service"> {
  /** Identifies the message that is sent, the same on every attempt; undefined for a query. */
  readonly key?: string;
}

const REST_MS = 5_000;

/** Decides by all its calls whether a failure is due to the service or to the message. */
export class Service {
  readonly #circuit: Circuit;
  readonly #restMs: number;

  constructor(private readonly options: ServiceOptions) {
    const { restMs = REST_MS, clock = SYSTEM_CLOCK, onAway } = options;
    this.#restMs = restMs;
    this.#circuit = new Circuit({ restMs, clock, onAway });
  }

  /** @throws {DeliveryError} `own` if the message itself is at fault, not the service. */
  async call({ key, ...call }: ServiceCall, signal?: AbortSignal): Promise<unknown> {
    const { name: service, timeoutMs } = this.options;
    const circuit = this.#circuit;
    const begun = circuit.begin(key);
    if (!begun) {
      throw new DeliveryError(`${service} is unavailable`, {
        away: true,
        retryAfterMs: this.#restMs,
      });
    }
    try {
      const answer = await callJson({ ...call, timeoutMs, service }, signal);
      circuit.passed(begun);
      return answer;
    } catch (error) {
      // A call that was aborted here says nothing about the service.
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
