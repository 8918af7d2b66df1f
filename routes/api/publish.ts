/**
 * Publishes to the MQTT broker.
 *
 * The api room: one file for each group of JSON routes. It imports access/, http/, ingest/ and
 * broker/.
 */

import { Hono } from "hono";
import { z } from "zod";
import type { AppDeps } from "../http/deps.ts";
import { jsonBody } from "../http/json_body.ts";
import { problem } from "../http/problem.ts";
import { requireTopic } from "./topic.ts";
import { rawMembers } from "../../broker/messages/raw_json.ts";

const ACK_TIMEOUT_MS = 5000;

export const publishSchema = z.object({
  /** Checked separately: a broker may close the connection because of it. */
  // A topic that MQTT forbids is refused as `invalid_topic`; the pattern is for the description.
  topic: z.string().meta({
    pattern: "^[^#+\\u0000-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff]+$",
  }),
  /** Text is sent as it is, anything else as the JSON text of the request. */
  payload: z.unknown().refine((payload) => payload !== undefined, "is missing"),
  qos: z.union([z.literal(0), z.literal(1), z.literal(2)], "must be 0, 1 or 2").default(1),
});

export function publishRoutes({ publish }: AppDeps): Hono {
  return new Hono().post("/api/v1/publish", async (c) => {
    const { topic, payload, qos } = await jsonBody(c, publishSchema);
    requireTopic(topic, "topic");
    if (!publish) {
      return problem({
        status: 503,
        code: "no_mqtt_broker",
        detail: "No MQTT broker is configured: set BROKER_HOST",
        headers: { "retry-after": "60" },
      });
    }
    const text = typeof payload === "string"
      ? payload
      : rawMembers(await c.req.text()).get("payload")!;
    try {
      await publish({ topic, payload: text, qos }, ACK_TIMEOUT_MS);
    } catch {
      return problem({
        status: 503,
        code: "not_acknowledged",
        detail: "The MQTT broker did not acknowledge the message in time: try again",
        headers: { "retry-after": "5" },
      });
    }
    return c.json({ status: "published", topic, qos });
  });
}
