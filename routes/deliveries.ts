/** Work for the backend and WhatsApp: what failed for good, and another try. */

import { Hono } from "hono";
import type { AppDeps } from "./deps.ts";
import { problem } from "./problem.ts";
import { QueryError } from "./stream_query.ts";

export function deliveryRoutes({ deliveries }: AppDeps): Hono {
  return new Hono()
    .get("/api/v1/deliveries", async (c) => {
      const state = c.req.query("state") ?? "dead";
      if (state !== "dead" && state !== "waiting") {
        throw new QueryError("bad_state", "state may be dead or waiting");
      }
      return c.json({ deliveries: await deliveries?.list(state) ?? [] });
    })
    .post("/api/v1/deliveries/:id/retry", async (c) => {
      const id = c.req.param("id");
      if (await deliveries?.retry(id)) return c.json({ id, state: "waiting" });
      return problem({
        status: 404,
        code: "unknown_delivery",
        detail: "No delivery of this id has failed for good",
      });
    });
}
