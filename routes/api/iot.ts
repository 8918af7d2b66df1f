/** Publishes to AWS IoT Core, and reports the state of its connection. */

import { Hono } from "hono";
import { z } from "zod";
import { RawJson } from "../../ingest/aws_iot/service.ts";
import { requireDevice } from "../access/access.ts";
import type { AppDeps } from "../http/deps.ts";
import { jsonBody } from "../http/json_body.ts";
import { notConfigured, receiptResponse } from "./receipt.ts";
import { rawMembers } from "../../broker/messages/raw_json.ts";

const deviceId = z.string().trim().min(1).refine(
  (id) => Array.from(id).length <= 128,
  "must be at most 128 characters long",
);
const jsonObject = z.record(z.string(), z.unknown());

export const telemetrySchema = z.object({ device_id: deviceId, data: jsonObject });

export const eventSchema = z.object({
  device_id: deviceId,
  event: z.string().trim().min(1).max(128),
  metadata: jsonObject.default({}),
});

const HINT = "AWS IoT Core is not configured: set AWS_IOT_ENDPOINT and its certificates";

export function iotRoutes({ awsIot }: AppDeps): Hono {
  return new Hono()
    .post("/api/v1/iot/telemetry", async (c) => {
      const { device_id: deviceId } = await jsonBody(c, telemetrySchema);
      requireDevice(c, deviceId);
      if (!awsIot) return notConfigured(HINT);
      const data = new RawJson(rawMembers(await c.req.text()).get("data")!);
      return receiptResponse(awsIot.publishTelemetry(data, { deviceId }), { device_id: deviceId });
    })
    .post("/api/v1/iot/events", async (c) => {
      const { device_id: deviceId, event } = await jsonBody(c, eventSchema);
      requireDevice(c, deviceId);
      if (!awsIot) return notConfigured(HINT);
      const metadata = new RawJson(rawMembers(await c.req.text()).get("metadata") ?? "{}");
      return receiptResponse(
        awsIot.publishEvent(event, metadata, { deviceId }),
        { device_id: deviceId, event },
      );
    })
    .get("/api/v1/iot/status", (c) =>
      c.json(
        awsIot?.status() ?? {
          connection_status: "not_configured",
          connected: false,
          reconnect_attempts: 0,
          last_publish_ts: null,
        },
      ));
}
