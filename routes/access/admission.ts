/** Admits long-lived connections: limits in total, by address, by token, and per second. */

import type { Context } from "hono";
import { RateLimit } from "../../lib/rate_limit.ts";
import type { Config } from "../../config/config.ts";
import type { Health } from "../../telemetry/health.ts";
import { grantOf } from "./access.ts";
import { clientAddress } from "./client_address.ts";
import type { ConnectionCount } from "../http/connection_count.ts";
import { requireOrigin } from "./origin.ts";
import { ProblemError } from "../http/problem.ts";
import type { Grant } from "./tokens.ts";

/** Seconds' worth of new connections that may arrive at once: after a restart, all clients do. */
const BURST_SECONDS = 10;
const RETRY_SECONDS = "5";

export interface AdmissionOptions {
  readonly config: Config;
  readonly health: Health;
  readonly connections: ConnectionCount;
}

/** A connection's place in the counts; taken once and left once. */
export class ConnectionSlot {
  #taken = false;

  constructor(
    readonly address: string,
    readonly token: string | undefined,
    private readonly count: (slot: ConnectionSlot, change: 1 | -1) => void,
  ) {}

  take(): void {
    if (!this.#taken) this.count(this, 1);
    this.#taken = true;
  }

  leave(): void {
    if (this.#taken) this.count(this, -1);
    this.#taken = false;
  }
}

export class Admission {
  readonly #byAddress = new Counts();
  readonly #byToken = new Counts();
  readonly #rate: RateLimit;

  constructor(private readonly options: AdmissionOptions) {
    const { newConnectionsPerSecond: perSecond } = options.config.limits;
    this.#rate = new RateLimit({
      perSecond,
      burst: perSecond * BURST_SECONDS,
      monotonic: () => performance.now(),
    });
  }

  /**
   * Returns a slot for the client; it must be taken in the same turn of the event loop.
   * @throws {ProblemError} 403, 429 or 503.
   */
  admit(c: Context): ConnectionSlot {
    const { config: { corsOrigins, trustProxy, ...config }, health, connections } = this.options;
    if (health.phase !== "serving") {
      throw refused(503, health.phase, `The server is ${health.phase}: try again`);
    }
    requireOrigin(c, corsOrigins);
    if (connections.total >= config.maxConnections) {
      throw refused(503, "too_many_connections", "Too many streams are open: try again");
    }
    const address = clientAddress(c, trustProxy);
    if (this.#byAddress.of(address) >= (config.maxConnectionsPerIp ?? Infinity)) {
      throw refused(
        429,
        "too_many_connections_of_address",
        "Your address has reached its limit of streams: close one",
      );
    }
    const token = nameOf(grantOf(c));
    const { connectionsPerToken = Infinity } = config.limits;
    if (token !== undefined && this.#byToken.of(token) >= connectionsPerToken) {
      throw refused(
        429,
        "too_many_connections_of_token",
        "Your token has reached its limit of streams: close one",
      );
    }
    if (this.#rate.take() > 0) {
      throw refused(503, "too_many_new_connections", "Too many clients are connecting: try again");
    }
    return new ConnectionSlot(address, token, this.#count);
  }

  readonly #count = ({ address, token }: ConnectionSlot, change: 1 | -1): void => {
    this.options.connections.add(change);
    this.#byAddress.add(address, change);
    if (token !== undefined) this.#byToken.add(token, change);
  };
}

/** Tokens without an id are counted by subject; tokens with neither are not counted. */
function nameOf({ tokenId, subject }: Grant): string | undefined {
  return tokenId ?? subject;
}

function refused(status: 429 | 503, code: string, detail: string): ProblemError {
  return new ProblemError({
    status,
    code,
    detail: `${detail}${detail.endsWith("again") ? "" : ", or try again later"}`,
    headers: { "retry-after": RETRY_SECONDS },
  });
}

class Counts {
  readonly #counts = new Map<string, number>();

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  add(key: string, change: 1 | -1): void {
    const count = this.of(key) + change;
    if (count > 0) this.#counts.set(key, count);
    else this.#counts.delete(key);
  }
}
