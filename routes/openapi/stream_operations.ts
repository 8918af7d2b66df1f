/** The stream, and its figures. */

import { z } from "zod";
import { EVENT_SCHEMAS } from "../streams/event_schemas.ts";
import { statsQuerySchema } from "../reports/stats.ts";
import { streamQuerySchema } from "../streams/stream_query.ts";
import { cursorSchema, deviceIdSchema, statsSchema, streamStatsSchema } from "./answers.ts";
import type { Operation } from "./operation.ts";

const STREAM_TEXT = `With \`Upgrade: websocket\` it is a WebSocket, otherwise Server-Sent Events. \
Each event has a name, JSON data and, for most, an \`id\`: the cursor to give back as \`since\` (or \
\`Last-Event-ID\`) after a disconnect. Every event and command is described in \
[/asyncapi.json](asyncapi.json). Over WebSocket a wrong parameter is an \`error\` event with the \
same code, then close code 1008.`;

const sseEvents = Object.entries(EVENT_SCHEMAS)
  .filter(([, { transports }]) => transports.includes("sse")).map(([name]) => name);

/** One event; `data` is JSON text of the form that asyncapi.json has for it. */
const sseEventSchema = z.object({
  event: z.enum(sseEvents),
  data: z.string(),
  id: cursorSchema.optional(),
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
    summary: "Messages of devices, as they come",
    description: STREAM_TEXT,
    parameters: [
      {
        name: "device_ids",
        in: "query",
        description:
          "Ids joined by commas, or the parameter repeated. `*` is every device, an id that ends " +
          "in `*` a prefix. A WebSocket needs this or `device_id`; for SSE, neither of them is " +
          "every device",
        schema: z.array(deviceIdSchema).max(500),
        explode: false,
      },
      {
        name: "device_id",
        in: "query",
        description: "One id as it stands, commas and a `*` at the end included; may be repeated",
        schema: z.array(deviceIdSchema).max(500),
        explode: true,
      },
      {
        name: "since",
        in: "query",
        description: "A cursor: first everything that is kept after it, then live",
        schema: cursorSchema,
      },
      {
        name: "Last-Event-ID",
        in: "header",
        description: "SSE: the same as `since`, and wins over it",
        schema: z.string(),
      },
    ],
    query: streamQuerySchema,
    answers: {
      101: { description: "The WebSocket is open" },
      200: {
        description: "Server-Sent Events, until either side ends it",
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
    tag: "Figures",
    summary: "Three counters for dashboards",
    query: statsQuerySchema,
    answers: {
      200: {
        description: "The counters of this instance, or sums over all",
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
    tag: "Figures",
    summary: "Everything about this instance",
    answers: {
      200: { description: "Sources, clients, the log, deliveries, memory", schema: statsSchema },
    },
  },
];
