/** Schemas of the routes' answers. */

import { z } from "zod";

const count = z.int().min(0);
/** In seconds or bytes. */
const amount = z.number().min(0);

export const deviceIdSchema = z.string().min(1).max(128).describe("Id of a device");
export const cursorSchema = z.string().max(64).describe("An opaque position in the log");
const payload = z.unknown().describe("The device's message, as the device sent it");

export const problemSchema = z.object({
  type: z.literal("about:blank"),
  title: z.string().describe("The status in words"),
  status: z.int().min(400).max(599),
  detail: z.string().describe("For people: what is wrong and what to do"),
  code: z.string().regex(/^[a-z_]+$/).describe("For programs: a stable code"),
}).strict();

export const streamStatsSchema = z.object({
  total_messages_processed: count.describe("Messages received and stored"),
  active_subscribers: count.describe("Open streams"),
  devices_being_monitored: count.describe("Devices that clients asked for"),
}).strict();

const deviceSchema = z.object({
  device_id: deviceIdSchema,
  last_seen: z.iso.datetime().describe("When its last message arrived"),
  state: z.enum(["online", "stale"]).describe("`stale` after `STALE_SECONDS` of silence"),
});

export const devicesSchema = z.object({
  devices: z.array(deviceSchema),
  next: z.string().nullable().describe("Start of the next page; null on the last page"),
});

export const lastMessageSchema = deviceSchema.extend({ message: payload });

export const messagesSchema = z.object({
  messages: z.array(payload),
  next: cursorSchema.nullable().describe("Use as `since` for the next page; null on the last page"),
  status: z.enum(["full", "partial", "none"])
    .describe("`full`: nothing is missing after `since`; `partial`: some is no longer stored"),
});

export const publishedSchema = z.object({
  status: z.literal("published"),
  topic: z.string(),
  qos: z.int().min(0).max(2),
});

export const receiptSchema = z.object({
  status: z.enum(["published", "buffered"]),
  device_id: z.string(),
  topic: z.string().optional(),
  event: z.string().optional(),
});

export const iotStatusSchema = z.looseObject({
  connection_status: z.string(),
  connected: z.boolean(),
  reconnect_attempts: count,
  last_publish_ts: z.number().nullable().describe("Seconds since 1970; null before the first ack"),
});

export const deliveriesSchema = z.object({
  deliveries: z.array(z.object({
    id: z.string(),
    kind: z.string(),
    state: z.enum(["dead", "waiting"]),
    attempts: count,
    reason: z.string().nullable(),
  })),
});

export const retriedSchema = z.object({ id: z.string(), state: z.literal("waiting") });

export const aliveSchema = z.object({ status: z.literal("ok") });

export const readySchema = z.object({
  status: z.enum(["ok", "degraded"]),
  reasons: z.array(z.string()).optional().describe("What is unavailable, if degraded"),
});

export const notReadySchema = z.object({
  status: z.enum(["starting", "draining"]),
  reasons: z.array(z.string()).optional().describe("What the server waits for"),
});

const transport = z.looseObject({
  connections: count.describe("Currently open"),
  connections_total: count.describe("Opened since the start"),
  sent: count,
  dropped: count.describe("Messages dropped for slow clients"),
});

export const statsSchema = z.looseObject({
  instance: z.string(),
  deployment: z.string(),
  uptime_seconds: amount,
  ingest_lease: z.string().nullable().describe("The instance that reads the sources"),
  instances: z.array(z.looseObject({ id: z.string() })),
  sources: z.array(z.looseObject({
    name: z.string(),
    kind: z.string(),
    state: z.enum(["connecting", "connected", "waiting", "stopped"]),
    reason: z.string().optional(),
    received: count,
    malformed: count,
    dropped: count,
    reconnects: count,
    lag: count.nullable()
      .describe("Messages not yet read from the source; null if unknown"),
  })),
  transports: z.object({ ws: transport, sse: transport }),
  deliveries: z.looseObject({ waiting: count, oldest_ms: amount }).nullable(),
  queued: z.looseObject({ messages: count, bytes: count }),
  fanout: z.looseObject({
    state: z.enum(["starting", "ready", "away", "memory"]),
    position: count,
    floor: count,
    stored: count,
    pending: count,
  }),
  memory: z.record(z.string(), amount),
});
