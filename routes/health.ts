/** For load balancers and orchestrators: alive, and ready. */

import { Hono } from "hono";
import type { AppDeps } from "./deps.ts";

export function healthRoutes({ health }: AppDeps): Hono {
  return new Hono()
    .get("/livez", (c) => c.json({ status: "ok" }))
    .get("/readyz", (c) => {
      if (health.phase !== "serving") return c.json({ status: health.phase }, 503);
      const reasons = health.reasons;
      if (reasons.length > 0) return c.json({ status: "degraded", reasons });
      return c.json({ status: "ok" });
    });
}
