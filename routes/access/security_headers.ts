/** Headers that keep browsers from doing with an answer what it is not meant for. */

import type { Context, MiddlewareHandler } from "hono";
import { NO_PAGE } from "./content_security_policy.ts";

const ALL = {
  "x-content-type-options": "nosniff",
  "content-security-policy": NO_PAGE,
  // A token may stand in the URL of a stream.
  "referrer-policy": "no-referrer",
};
const YEAR_SECONDS = 31_536_000;

/** On every answer but a WebSocket's, which has no headers to change; a route's own stand. */
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
