/** Schemas of a stream's events, the source of asyncapi.json. */

import { z } from "zod";

const cursor = z.string().max(64).describe("An opaque position; send it back as since");
const deviceId = z.string().min(1).max(128);
const payload = z.unknown().describe("The device's message, as the device sent it");

export interface EventSchema {
  readonly data: z.ZodType;
  /** Whether the event carries a cursor. */
  readonly id: boolean;
  readonly transports: readonly ("ws" | "sse")[];
  readonly summary: string;
}

const BOTH = ["ws", "sse"] as const;
const WS = ["ws"] as const;

export const EVENT_SCHEMAS: Readonly<Record<string, EventSchema>> = {
  message: { data: payload, id: true, transports: BOTH, summary: "A message from a device" },
  ping: {
    data: z.object({ type: z.literal("keep-alive") }),
    id: true,
    transports: BOTH,
    summary: "Sent every KEEPALIVE_SECONDS, with the position of the stream",
  },
  error: {
    data: z.object({ message: z.string(), code: z.string() }),
    id: false,
    transports: WS,
    summary: "The request failed; the connection stays open, unless it closes with 1008",
  },
  resumed: {
    data: z.object({
      status: z.enum(["full", "partial", "none"]),
      replayed: z.number().int().min(0),
    }),
    id: true,
    transports: BOTH,
    summary: "Sent between the replayed messages and the live ones",
  },
  snapshot: {
    data: payload,
    id: false,
    transports: BOTH,
    summary: "The last known message of a device",
  },
  presence: {
    data: z.object({ device_id: deviceId, state: z.enum(["online", "stale"]) }),
    id: false,
    transports: BOTH,
    summary: "A device came online or fell silent",
  },
  dropped: {
    data: z.object({ device_id: deviceId, count: z.number().int().min(1) }),
    id: false,
    transports: BOTH,
    summary: "Messages of a device were dropped: this client was too slow",
  },
  batch: {
    data: z.array(z.object({ data: payload, id: cursor })),
    id: false,
    transports: WS,
    summary: "With batch_ms: the messages of that interval",
  },
  subscribed: {
    data: z.object({ device_ids: z.array(deviceId) }),
    id: false,
    transports: WS,
    summary: "All devices of the connection, after a subscribe or unsubscribe",
  },
  goodbye: {
    data: z.object({ reason: z.string(), reconnect_ms: z.number().int().min(0) }),
    id: true,
    transports: BOTH,
    summary: "The server is about to close; reconnect after reconnect_ms",
  },
};

export { cursor as cursorSchema };
