/** The scope that each route requires. */

import type { Hono } from "hono";
import type { Access } from "./access.ts";
import type { Scope } from "./scopes.ts";

/** Every route by its method and its pattern; `none` is open to all. */
export const ROUTE_SCOPES: Readonly<Record<string, Scope | "none">> = {
  "GET /api/v1/stream": "stream",
  "GET /api/v1/stream/stats": "stream",
  "GET /api/v1/stats": "admin",
  "GET /api/v1/devices": "stream",
  "GET /api/v1/devices/:id": "stream",
  "GET /api/v1/devices/:id/messages": "stream",
  "POST /api/v1/devices/:id/commands": "publish",
  "POST /api/v1/publish": "admin",
  "POST /api/v1/iot/telemetry": "publish",
  "POST /api/v1/iot/events": "publish",
  "GET /api/v1/iot/status": "admin",
  "GET /api/v1/empresas": "stream",
  "POST /api/v1/empresas": "admin",
  "GET /api/v1/deliveries": "admin",
  "POST /api/v1/deliveries/:id/retry": "admin",
  "POST /api/v1/tokens/revoke": "admin",
  "GET /api/v1/tokens/revoked": "admin",
  "GET /ws": "publish",
  "GET /metrics": "metrics",
  "GET /livez": "none",
  "GET /readyz": "none",
  "GET /openapi.json": "none",
  "GET /asyncapi.json": "none",
  "GET /docs": "none",
  "GET /docs/style.css": "none",
  "GET /docs/icon.svg": "none",
  "GET /": "none",
  "GET /ops": "none",
  "GET /client.js": "none",
  "GET /client.d.ts": "none",
  "GET /assets/:version/:path{.+}": "none",
};

/**
 * Makes `app` require the scope of each of `routes`.
 * @throws {Error} for a route missing from {@linkcode ROUTE_SCOPES}: it would be open to all.
 */
export function guardRoutes(app: Hono, { routes }: Hono, access: Access): void {
  for (const route of new Set(routes.map(({ method, path }) => `${method} ${path}`))) {
    const scope = Object.hasOwn(ROUTE_SCOPES, route) ? ROUTE_SCOPES[route] : undefined;
    if (scope === undefined) {
      throw new Error(
        `Cannot serve ${route}: routes/access/route_scopes.ts declares no scope for it`,
      );
    }
    const [method, path] = route.split(" ") as [string, string];
    if (scope !== "none") app.on(method, path, access.require(scope));
  }
}
