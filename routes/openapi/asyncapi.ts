/** The stream, described for programs: made from the schemas. */

import { Hono } from "hono";
import { z } from "zod";
import { cursorSchema, EVENT_SCHEMAS } from "../streams/event_schemas.ts";
import { INBOUND_ANSWERS, INBOUND_FRAMES } from "../api/inbound_schemas.ts";
import { commandSchema } from "../streams/stream_commands.ts";

export function asyncapiRoutes(): Hono {
  let document: unknown;
  return new Hono().get("/asyncapi.json", (c) => c.json((document ??= asyncapi()) as object));
}

/** AsyncAPI 3.0. */
export function asyncapi(): Record<string, unknown> {
  const events = Object.entries(EVENT_SCHEMAS);
  const ref = (name: string, channel = "stream") => ({
    $ref: `#/channels/${channel}/messages/${name}`,
  });
  return {
    asyncapi: "3.0.0",
    info: {
      title: "Telecast",
      version: "1",
      description:
        "Messages of devices, over WebSocket and Server-Sent Events at one path; from people at /ws.",
    },
    defaultContentType: "application/json",
    channels: {
      stream: {
        address: "/api/v1/stream",
        messages: {
          ...Object.fromEntries(events.map(([name, { summary }]) => [name, {
            name,
            summary,
            payload: frameSchema(name),
          }])),
          command: {
            name: "command",
            summary: "WebSocket: what a client asks for on an open connection",
            payload: schemaOf(commandSchema),
          },
        },
      },
      inbound: {
        address: "/ws",
        messages: Object.fromEntries(
          Object.entries({ ...INBOUND_FRAMES, ...INBOUND_ANSWERS }).map((
            [name, { schema, summary }],
          ) => [name, { name, summary, payload: schemaOf(schema) }]),
        ),
      },
    },
    operations: {
      receive: {
        action: "send",
        summary: "What the server sends",
        channel: { $ref: "#/channels/stream" },
        messages: events.map(([name]) => ref(name)),
      },
      command: {
        action: "receive",
        summary: "What a client may send",
        channel: { $ref: "#/channels/stream" },
        messages: [ref("command")],
      },
      handIn: {
        action: "receive",
        summary: "Messages from people that a peer hands in",
        channel: { $ref: "#/channels/inbound" },
        messages: Object.keys(INBOUND_FRAMES).map((name) => ref(name, "inbound")),
      },
      answer: {
        action: "send",
        summary: "What became of each",
        channel: { $ref: "#/channels/inbound" },
        messages: Object.keys(INBOUND_ANSWERS).map((name) => ref(name, "inbound")),
      },
    },
  };
}

/** A WebSocket frame; Server-Sent Events have the same three parts in lines of their own. */
function frameSchema(event: string): unknown {
  const { data, id } = EVENT_SCHEMAS[event]!;
  return schemaOf(z.object({
    event: z.literal(event),
    data,
    ...(id ? { id: cursorSchema.optional() } : {}),
  }));
}

function schemaOf(schema: z.ZodType): unknown {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: "input" });
  return json;
}
