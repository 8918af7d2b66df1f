/** Devices, their last message, and what is kept of their history. */

import { type Context, Hono } from "hono";
import { z } from "zod";
import { Interest } from "../broker/interest.ts";
import type { Publication } from "../broker/message.ts";
import { grantOf, requireDevice } from "./access.ts";
import type { AppDeps } from "./deps.ts";
import { ProblemError } from "./problem.ts";
import { parseQuery, whole } from "./query.ts";

const PAGE = 100;
const MAX_PAGE = 1000;
const STEP_BYTES = 262_144;
/** How long a cursor may wait for a store that is away. */
const READ_MS = 5_000;

const limit = whole(1, MAX_PAGE).default(PAGE).describe("How many on a page");

export const devicesQuerySchema = z.object({
  limit,
  next: whole(0, 999_999_999).default(0).describe("`next` of the page before"),
});

export const messagesQuerySchema = z.object({
  limit,
  since: z.string().meta({ allowEmptyValue: true }).optional()
    .describe("A cursor: only what came after it; `next` of the page before is one"),
});

export function deviceRoutes({ hub, fanout }: AppDeps): Hono {
  const describe = ({ deviceId, time }: Publication) => ({
    device_id: deviceId,
    last_seen: new Date(time).toISOString(),
    state: hub.presence.of(deviceId),
  });

  return new Hono()
    .get("/api/v1/devices", (c) => {
      const { limit, next: skip } = queryOf(c, devicesQuerySchema);
      const { devices } = grantOf(c);
      const page = fanout.log.lastOfAll()
        .filter(({ deviceId }) => devices.matches(deviceId))
        .drop(skip).take(limit + 1).map(describe).toArray();
      const next = page.length > limit ? String(skip + limit) : null;
      return c.json({ devices: page.slice(0, limit), next });
    })
    .get("/api/v1/devices/:id", (c) => {
      const last = lastOf(c);
      const { device_id, last_seen, state } = describe(last);
      // The payload goes out as the device sent it, so it is not parsed and written again.
      const head = JSON.stringify({ device_id, last_seen, state }).slice(0, -1);
      return json(`${head},"message":${last.payload}}`);
    })
    .get("/api/v1/devices/:id/messages", async (c) => {
      const { deviceId } = lastOf(c);
      const { limit, since = fanout.epoch.cursor(fanout.floor - 1) } = queryOf(
        c,
        messagesQuerySchema,
      );
      const signal = AbortSignal.timeout(READ_MS);
      const replay = await fanout.since(since, Interest.exactly([deviceId], 1), signal);
      const found: Publication[] = [];
      while (found.length <= limit && replay.at < fanout.log.position) {
        found.push(...await replay.next(STEP_BYTES));
      }
      const page = found.slice(0, limit);
      const next = found.length > limit ? JSON.stringify(page.at(-1)!.cursor) : "null";
      const messages = page.map(({ payload }) => payload).join(",");
      return json(`{"messages":[${messages}],"next":${next},"status":"${replay.status}"}`);
    });

  function lastOf(c: Context): Publication {
    const id = c.req.param("id") ?? "";
    requireDevice(c, id);
    const last = fanout.log.lastOf(id);
    if (last) return last;
    throw new ProblemError({
      status: 404,
      code: "unknown_device",
      detail: "No message of this device has arrived",
    });
  }
}

function queryOf<T extends z.ZodRawShape>(c: Context, schema: z.ZodObject<T>) {
  return parseQuery(new URL(c.req.url).searchParams, schema);
}

function json(text: string): Response {
  return new Response(text, { headers: { "content-type": "application/json" } });
}
