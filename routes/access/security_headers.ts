/** Headers that keep browsers from misusing an answer. */

import type { Context, MiddlewareHandler } from "hono";
import { NO_PAGE } from "./content_security_policy.ts";

const ALL = {
  "x-content-type-options": "nosniff",
  "content-security-policy": NO_PAGE,
  // The URL of a stream may contain a token.
  "referrer-policy": "no-referrer",
};
const YEAR_SECONDS = 31_536_000;

/**
 * Sets them on every answer except a WebSocket's, whose headers cannot be changed; a route's own
 * headers take precedence.
 */
export function securityHeaders({ tls }: { readonly tls: boolean }): MiddlewareHandler {
  const headers = {
    ...ALL,
    ...(tls ? { "strict-transport-security": `max-age=${YEAR_SECONDS}` } : {}),
  };
  return async (c, next) => {
    await next();
    if (c.res.status === 101) return;
    for (const [name, value] of Object.entries(headers)) {
      if (!c.res.headers.has(name)) c.res.headers.set(name, value);
    }
    if (isData(c) && !c.res.headers.has("cache-control")) {
      c.res.headers.set("cache-control", "no-store");
    }
  };
}

const isData = (c: Context) => c.req.path.startsWith("/api/") || c.req.path === "/metrics";
