/** Work for the backend and WhatsApp: lists what failed for good or waits, and retries it. */

import { Hono } from "hono";
import { z } from "zod";
import type { AppDeps } from "../http/deps.ts";
import { problem } from "../http/problem.ts";
import { parseQuery, word } from "../http/query.ts";

export const deliveriesQuerySchema = z.object({
  state: word(["dead", "waiting"], "must be dead or waiting").default("dead")
    .describe("`dead`: failed for good; `waiting`: not done yet"),
});

export function deliveryRoutes({ deliveries }: AppDeps): Hono {
  return new Hono()
    .get("/api/v1/deliveries", async (c) => {
      const { state } = parseQuery(new URL(c.req.url).searchParams, deliveriesQuerySchema);
      return c.json({ deliveries: await deliveries?.list(state) ?? [] });
    })
    .post("/api/v1/deliveries/:id/retry", async (c) => {
      const id = c.req.param("id");
      if (await deliveries?.retry(id)) return c.json({ id, state: "waiting" });
      return problem({
        status: 404,
        code: "unknown_delivery",
        detail: "No delivery with this id has failed for good",
      });
    });
}
