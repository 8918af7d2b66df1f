/** The description of the stream for programs, generated from the schemas. */

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
        "Device messages over WebSocket or Server-Sent Events; messages from people at /ws.",
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
            summary: "WebSocket: a client's command on an open connection",
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
        summary: "Events that the server sends",
        channel: { $ref: "#/channels/stream" },
        messages: events.map(([name]) => ref(name)),
      },
      command: {
        action: "receive",
        summary: "Commands that a client may send",
        channel: { $ref: "#/channels/stream" },
        messages: [ref("command")],
      },
      handIn: {
        action: "receive",
        summary: "Messages from people, sent by a peer",
        channel: { $ref: "#/channels/inbound" },
        messages: Object.keys(INBOUND_FRAMES).map((name) => ref(name, "inbound")),
      },
      answer: {
        action: "send",
        summary: "The outcome of each message",
        channel: { $ref: "#/channels/inbound" },
        messages: Object.keys(INBOUND_ANSWERS).map((name) => ref(name, "inbound")),
      },
    },
  };
}

/** A WebSocket frame; Server-Sent Events have the same three parts on separate lines. */
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
