/** Devices, their last messages, and their stored history. */

import { type Context, Hono } from "hono";
import { z } from "zod";
import { Interest } from "../../broker/messages/interest.ts";
import type { Publication } from "../../broker/messages/message.ts";
import { grantOf, requireDevice } from "../access/access.ts";
import type { AppDeps } from "../http/deps.ts";
import { ProblemError } from "../http/problem.ts";
import { parseQuery, whole } from "../http/query.ts";

const PAGE = 100;
const MAX_PAGE = 1000;
const STEP_BYTES = 262_144;
/** Devices that are examined before other work gets a turn. */
const STEP_DEVICES = 2_048;
/** How long a cursor may wait for a store that does not answer. */
const READ_MS = 5_000;

const limit = whole(1, MAX_PAGE).default(PAGE).describe("Maximum number of items on a page");

export const devicesQuerySchema = z.object({
  limit,
  next: whole(0, 999_999_999).default(0).describe("`next` of the previous page"),
});

export const messagesQuerySchema = z.object({
  limit,
  since: z.string().meta({ allowEmptyValue: true }).optional()
    .describe("A cursor: only messages after it. Use `next` of the previous page"),
});

export function deviceRoutes({ hub, fanout }: AppDeps): Hono {
  const describe = ({ deviceId, time }: Publication) => ({
    device_id: deviceId,
    last_seen: new Date(time).toISOString(),
    state: hub.presence.of(deviceId),
  });

  return new Hono()
    .get("/api/v1/devices", async (c) => {
      const { limit, next: skip } = queryOf(c, devicesQuerySchema);
      const page = await lastOfGranted(grantOf(c).devices, { skip, limit: limit + 1 });
      const next = page.length > limit ? String(skip + limit) : null;
      return c.json({ devices: page.slice(0, limit).map(describe), next });
    })
    .get("/api/v1/devices/:id", (c) => {
      const last = lastOf(c);
      const { device_id, last_seen, state } = describe(last);
      // The payload goes out as the device sent it, so it is not parsed and serialized again.
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
        await hub.startScheduler.pass();
      }
      const page = found.slice(0, limit);
      const next = found.length > limit ? JSON.stringify(page.at(-1)!.cursor) : "null";
      const messages = page.map(({ payload }) => payload).join(",");
      return json(`{"messages":[${messages}],"next":${next},"status":"${replay.status}"}`);
    });

  /** In steps: a late page, or a grant of few devices among many, examines many devices. */
  async function lastOfGranted(
    devices: Interest,
    { skip, limit }: { skip: number; limit: number },
  ): Promise<Publication[]> {
    const found: Publication[] = [];
    let looks = 0;
    let before = 0;
    for (const last of fanout.log.lastOfAll()) {
      if (++looks % STEP_DEVICES === 0) await hub.startScheduler.pass();
      if (!devices.matches(last.deviceId) || before++ < skip) continue;
      found.push(last);
      if (found.length === limit) break;
    }
    return found;
  }

  function lastOf(c: Context): Publication {
    const id = c.req.param("id") ?? "";
    requireDevice(c, id);
    const last = fanout.log.lastOf(id);
    if (last) return last;
    throw new ProblemError({
      status: 404,
      code: "unknown_device",
      detail: "No message from this device has arrived",
    });
  }
}

function queryOf<T extends z.ZodRawShape>(c: Context, schema: z.ZodObject<T>) {
  return parseQuery(new URL(c.req.url).searchParams, schema);
}

function json(text: string): Response {
  return new Response(text, { headers: { "content-type": "application/json" } });
}
