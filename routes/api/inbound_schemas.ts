/** Schemas of the messages that peers send to `/ws` and of the answers, for asyncapi.json. */

import { z } from "zod";

const id = z.string().min(1).max(256);

export const INBOUND_FRAMES: Readonly<Record<string, { schema: z.ZodType; summary: string }>> = {
  person: {
    schema: z.looseObject({
      from: z.union([z.string().min(1).max(256), z.number()]).describe("The sender"),
      id: id.optional().describe("Identifies repeats of a message"),
    }),
    summary: "A message from a person",
  },
  webhook: {
    schema: z.looseObject({
      object: z.string().optional(),
      entry: z.array(z.looseObject({ changes: z.array(z.looseObject({ value: z.unknown() })) })),
    }),
    summary: "A WhatsApp webhook with up to 100 messages",
  },
};

const event = <T extends z.ZodType>(name: string, data: T) =>
  z.object({ event: z.literal(name), data });

export const INBOUND_ANSWERS: typeof INBOUND_FRAMES = {
  ack: {
    schema: event(
      "ack",
      z.object({ id: id.nullable(), status: z.enum(["queued", "repeat"]).optional() }),
    ),
    summary: "The message is stored, now or earlier; without a status there was nothing to do",
  },
  refusal: {
    schema: event("error", z.object({ code: z.string(), message: z.string(), id: id.optional() })),
    summary: "The message was not stored; the connection stays open",
  },
  leave: {
    schema: event(
      "goodbye",
      z.object({ reason: z.string(), reconnect_ms: z.number().int().min(0) }),
    ),
    summary: "The server is about to close; reconnect after `reconnect_ms`",
  },
};
