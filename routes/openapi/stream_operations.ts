/** The stream, and its statistics. */

import { z } from "zod";
import { EVENT_SCHEMAS } from "../streams/event_schemas.ts";
import { statsQuerySchema } from "../reports/stats.ts";
import { streamQuerySchema } from "../streams/stream_query.ts";
import { cursorSchema, deviceIdSchema, statsSchema, streamStatsSchema } from "./answers.ts";
import type { Operation } from "./operation.ts";

const STREAM_TEXT = `With \`Upgrade: websocket\` it is a WebSocket, otherwise Server-Sent Events. \
Each event has a name and JSON data, and most have an \`id\`: the cursor to send as \`since\` (or \
\`Last-Event-ID\`) after a disconnect. All events and commands are described in \
[/asyncapi.json](asyncapi.json). Over WebSocket, an invalid parameter causes an \`error\` event \
with the same code, then close code 1008.`;

const sseEvents = Object.entries(EVENT_SCHEMAS)
  .filter(([, { transports }]) => transports.includes("sse")).map(([name]) => name);

/** One event; `data` is JSON text in the form that asyncapi.json describes. */
const sseEventSchema = z.object({
  event: z.enum(sseEvents),
  data: z.string(),
  id: cursorSchema.optional(),
  retry: z.int().optional().describe("Only in the first block: ms until a browser reconnects"),
});

const BAD_QUERY = [
  ...Object.keys(streamQuerySchema.shape).map((name) => `bad_${name}`),
  ...["device_ids_required", "too_many_device_ids", "device_id_too_long", "bad_device_id"],
];

export const STREAM_OPERATIONS: readonly Operation[] = [
  {
    method: "get",
    path: "/api/v1/stream",
    id: "stream",
    tag: "Stream",
    summary: "Streams device messages in real time",
    description: STREAM_TEXT,
    parameters: [
      {
        name: "device_ids",
        in: "query",
        description:
          "Device ids, separated by commas or with the parameter repeated. `*` is every device; " +
          "an id that ends in `*` is a prefix. A WebSocket needs this or `device_id`; SSE " +
          "without either streams every device",
        schema: z.array(deviceIdSchema).max(500),
        explode: false,
      },
      {
        name: "device_id",
        in: "query",
        description: "One id, taken literally, with commas and a `*` at the end; may be repeated",
        schema: z.array(deviceIdSchema).max(500),
        explode: true,
      },
      {
        name: "since",
        in: "query",
        description: "A cursor: first all stored messages after it, then live messages",
        schema: cursorSchema,
      },
      {
        name: "Last-Event-ID",
        in: "header",
        description: "SSE: the same as `since`, and takes precedence over it",
        schema: z.string(),
      },
    ],
    query: streamQuerySchema,
    answers: {
      101: { description: "The WebSocket is open" },
      200: {
        description: "Server-Sent Events, until either side ends the stream",
        type: "text/event-stream",
        schema: sseEventSchema,
      },
    },
    problems: {
      400: [...BAD_QUERY, "bad_upgrade"],
      403: ["device_not_granted", "origin_not_allowed"],
      429: ["too_many_connections_of_address", "too_many_connections_of_token"],
      503: ["draining", "too_many_connections", "too_many_new_connections"],
    },
    example: { query: { device_ids: "0848086072", snapshot: "1" } },
  },
  {
    method: "get",
    path: "/api/v1/stream/stats",
    id: "streamStats",
    tag: "Statistics",
    summary: "Three counters for dashboards",
    query: statsQuerySchema,
    answers: {
      200: {
        description: "The counters of this instance, or sums over all instances",
        schema: streamStatsSchema,
        example: {
          total_messages_processed: 15200,
          active_subscribers: 12,
          devices_being_monitored: 40,
        },
      },
    },
    problems: { 400: ["bad_scope"] },
    example: { query: { scope: "cluster" } },
  },
  {
    method: "get",
    path: "/api/v1/stats",
    id: "stats",
    tag: "Statistics",
    summary: "Detailed statistics of this instance",
    answers: {
      200: { description: "Sources, clients, the log, deliveries, memory", schema: statsSchema },
    },
  },
];
