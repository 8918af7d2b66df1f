/** Metrics for Prometheus. */

import { Hono } from "hono";
import type { AppDeps } from "../http/deps.ts";
import { metricsRegistry } from "./metrics_registry.ts";

/** The exposition is generated at each scrape. */
export function metricsRoutes(deps: AppDeps): Hono {
  const registry = deps.registry ?? metricsRegistry(deps);
  return new Hono().get("/metrics", async (c) => {
    const text = await registry.metrics();
    return c.body(text, 200, { "content-type": registry.contentType });
  });
}
