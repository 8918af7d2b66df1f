/** The backend that gets alarms and messages from people. */

import { addressOf } from "./http_call.ts";
import { Service } from "./service.ts";

export interface BackendOptions {
  /** May have a query, which every call keeps. */
  readonly url: string;
  readonly timeoutMs?: number;
  /** Pause between two probes while it is unavailable. */
  readonly restMs?: number;
  /** Called once when the backend becomes unavailable, and once when it recovers. */
  readonly onAway?: (away: boolean) => void;
}

const TIMEOUT_MS = 10_000;
const PATH = "/api/mqtt-alerts";
/** What a stored step has room for; more numbers are a bug of the backend. */
const MAX_RECIPIENTS = 500;

/** All methods throw a DeliveryError. */
export class Backend {
  readonly #service: Service;
  readonly #url: string;

  constructor({ url, timeoutMs = TIMEOUT_MS, restMs, onAway }: BackendOptions) {
    this.#url = url;
    this.#service = new Service({ name: "the backend", timeoutMs, restMs, onAway });
  }

  /** Sends a message; `id` identifies repeats. Returns the recipients that the backend names. */
  async process(message: unknown, id: string, signal: AbortSignal): Promise<string[]> {
    const answer = await this.#service.call({
      method: "POST",
      url: addressOf(this.#url, `${PATH}/process`),
      headers: { "idempotency-key": id },
      body: message,
      key: id,
    }, signal);
    return recipientsOf(answer);
  }

  /** Asks the backend about a company (`empresa`) and its site (`sede`). */
  verifyCompanySite(company: string, site: string): Promise<unknown> {
    return this.#get("/verify-empresa-sede", { empresa: company, sede: site });
  }

  alerts(): Promise<unknown> {
    return this.#get("");
  }

  alert(id: string): Promise<unknown> {
    return this.#get(`/${encodeURIComponent(id)}`);
  }

  #get(path: string, query?: Readonly<Record<string, string>>): Promise<unknown> {
    return this.#service.call({ method: "GET", url: addressOf(this.#url, PATH + path, query) });
  }
}

function recipientsOf(answer: unknown): string[] {
  const { recipients } = (answer ?? {}) as { recipients?: unknown };
  if (!Array.isArray(recipients)) return [];
  const numbers = recipients.map(String).filter((number) => /^\+?\d{6,15}$/.test(number));
  return numbers.slice(0, MAX_RECIPIENTS);
}
