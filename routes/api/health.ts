/** Liveness and readiness, for load balancers and orchestrators. */

import { Hono } from "hono";
import type { AppDeps } from "../http/deps.ts";

export function healthRoutes({ health }: AppDeps): Hono {
  return new Hono()
    .get("/livez", (c) => c.json({ status: "ok" }))
    .get("/readyz", (c) => {
      const why = health.reasons.length > 0 ? { reasons: health.reasons } : {};
      if (health.phase !== "serving") return c.json({ status: health.phase, ...why }, 503);
      return c.json({ status: "reasons" in why ? "degraded" : "ok", ...why });
    });
}
