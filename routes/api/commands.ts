/** Sends commands to devices. */

import { Hono } from "hono";
import { z } from "zod";
import { commandTopic } from "../../ingest/aws_iot/payload.ts";
import { InvalidPayloadError } from "../../ingest/aws_iot/service.ts";
import { requireDevice } from "../access/access.ts";
import type { AppDeps } from "../http/deps.ts";
import { jsonBody } from "../http/json_body.ts";
import { ProblemError } from "../http/problem.ts";
import { badMessage, notAcknowledged, notConfigured, receiptResponse } from "./receipt.ts";
import { requireTopic } from "./topic.ts";

const ACK_TIMEOUT_MS = 5000;

export const commandSchema = z.record(z.string(), z.unknown());

export function commandRoutes({ config, awsIot, publish }: AppDeps): Hono {
  const { commandTopicPrefix, maxMessageBytes } = config;
  return new Hono().post("/api/v1/devices/:id/commands", async (c) => {
    const given = c.req.param("id");
    const deviceId = given.trim();
    requireDevice(c, deviceId);
    const topic = topicOf(commandTopicPrefix, deviceId);
    // Checked as it was given: MQTT allows a line break neither around an id nor within it.
    requireTopic(commandTopicPrefix + given, "device_id");
    await jsonBody(c, commandSchema);
    const payload = (await c.req.text()).trim();
    if (new TextEncoder().encode(payload).length > maxMessageBytes) {
      throw new ProblemError({
        status: 413,
        code: "body_too_large",
        detail: `A command may have at most ${maxMessageBytes} bytes`,
      });
    }
    const details = { device_id: deviceId, topic };
    if (awsIot) return receiptResponse(awsIot.publishCommand(deviceId, payload), details);
    if (!publish) {
      return notConfigured("No broker is configured: set AWS_IOT_ENDPOINT or BROKER_HOST");
    }
    try {
      await publish({ topic, payload, qos: 1 }, ACK_TIMEOUT_MS);
    } catch {
      return notAcknowledged();
    }
    return c.json({ status: "published", ...details });
  });
}

function topicOf(prefix: string, deviceId: string): string {
  try {
    return commandTopic(prefix, deviceId);
  } catch (error) {
    if (error instanceof InvalidPayloadError) throw badMessage(error);
    throw error;
  }
}
