/**
 * Requires a token where one is needed, and determines what it allows.
 *
 * The access room: who may do what, and how often. It imports http/, broker/, config/, telemetry/
 * and lib/.
 */

import type { Context, MiddlewareHandler } from "hono";
import type { Revocations } from "../../broker/cluster/revocations.ts";
import type { AuthConfig } from "../../config/config.ts";
import { ProblemError } from "../http/problem.ts";
import { hasScope, type Scope } from "./scopes.ts";
import { type Grant, OPEN_GRANT, TokenError, Tokens } from "./tokens.ts";

const SUBPROTOCOL = "bearer.";

export class Access {
  readonly #tokens: Tokens | undefined;

  /** Without a configuration everything is open. */
  constructor(config: AuthConfig | undefined, private readonly revocations: Revocations) {
    this.#tokens = config && new Tokens(config);
  }

  /**
   * Lets requests through whose token has the scope; {@linkcode grantOf} returns what it allows.
   */
  require(scope: Scope): MiddlewareHandler {
    return async (c, next) => {
      c.set("grant", await this.#grant(c, scope));
      await next();
    };
  }

  async #grant(c: Context, scope: Scope): Promise<Grant> {
    if (!this.#tokens) return OPEN_GRANT;
    let grant: Grant;
    try {
      grant = await this.#tokens.verify(tokenOf(c));
      if (this.revocations.isRevoked(grant)) {
        throw new TokenError("token_revoked", "The token was revoked: get a new one");
      }
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      const { code, message: detail } = error;
      const away = code === "keys_away";
      throw new ProblemError({
        status: away ? 503 : 401,
        code,
        detail,
        headers: away ? { "retry-after": "5" } : { "www-authenticate": "Bearer" },
      });
    }
    if (!hasScope(grant.scopes, scope)) {
      throw new ProblemError({
        status: 403,
        code: "scope_required",
        detail: `The token lacks the scope ${scope}`,
      });
    }
    return grant;
  }
}

/** What the request's token allows; everything if no tokens are used. */
export function grantOf(c: Context): Grant {
  return (c.get("grant") as Grant | undefined) ?? OPEN_GRANT;
}

/** @throws {ProblemError} 403 if the token does not grant the device. */
export function requireDevice(c: Context, deviceId: string): void {
  if (!grantOf(c).devices.matches(deviceId)) throw deviceDenied(deviceId);
}

export function deviceDenied(item: string): ProblemError {
  return new ProblemError({
    status: 403,
    code: "device_not_granted",
    detail: `The token does not grant ${item.slice(0, 128)}`,
  });
}

/** From the header, else the query, else an offered WebSocket subprotocol. */
function tokenOf(c: Context): string | undefined {
  const header = c.req.header("authorization");
  if (header !== undefined) return /^bearer\s+(\S+)\s*$/i.exec(header)?.[1];
  const query = c.req.query("access_token");
  if (query) return query;
  return c.req.header("sec-websocket-protocol")?.split(",").map((offer) => offer.trim())
    .find((offer) => offer.startsWith(SUBPROTOCOL))?.slice(SUBPROTOCOL.length);
}
