/** What peers hand in at `/ws` and what they hear, as schemas: for asyncapi.json. */

import { z } from "zod";

const id = z.string().min(1).max(256);

export const INBOUND_FRAMES: Readonly<Record<string, { schema: z.ZodType; summary: string }>> = {
  person: {
    schema: z.looseObject({
      from: z.union([z.string().min(1).max(256), z.number()]).describe("Who wrote it"),
      id: id.optional().describe("What tells a repeat"),
    }),
    summary: "A message from a person",
  },
  webhook: {
    schema: z.looseObject({
      object: z.string().optional(),
      entry: z.array(z.looseObject({ changes: z.array(z.looseObject({ value: z.unknown() })) })),
    }),
    summary: "WhatsApp's webhook, of any number of messages up to 100",
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
    summary: "The message is stored, now or before; without a status it told of nothing to do",
  },
  refusal: {
    schema: event("error", z.object({ code: z.string(), message: z.string(), id: id.optional() })),
    summary: "The message is not stored, and the connection stays",
  },
  leave: {
    schema: event(
      "goodbye",
      z.object({ reason: z.string(), reconnect_ms: z.number().int().min(0) }),
    ),
    summary: "The server is about to close, and says when to come back",
  },
};
