/** Operations that publish to the MQTT broker and to AWS IoT Core. */

import { eventSchema, telemetrySchema } from "../api/iot.ts";
import { publishSchema } from "../api/publish.ts";
import { iotStatusSchema, publishedSchema, receiptSchema } from "./answers.ts";
import type { Answer, Operation } from "./operation.ts";

const receipts = (example: Record<string, string>): Record<number, Answer> => ({
  200: { description: "AWS IoT Core acknowledged the message", schema: receiptSchema, example },
  202: { description: "Buffered until AWS IoT Core is reachable", schema: receiptSchema },
});
const IOT_PROBLEMS = {
  400: ["bad_message"],
  403: ["device_not_granted"],
  503: ["not_configured", "not_acknowledged", "refused_by_aws_iot"],
};

export const PUBLISH_OPERATIONS: readonly Operation[] = [
  {
    method: "post",
    path: "/api/v1/publish",
    id: "publish",
    tag: "Publishing",
    summary: "Publishes a message to the MQTT broker",
    description: "A text payload is sent as it is, anything else as its JSON text.",
    body: {
      schema: publishSchema,
      example: { topic: "fleet/notices", payload: { text: "Depot closes at six" }, qos: 1 },
    },
    answers: {
      200: {
        description: "The broker acknowledged the message",
        schema: publishedSchema,
        example: { status: "published", topic: "fleet/notices", qos: 1 },
      },
    },
    problems: { 400: ["invalid_topic"], 503: ["no_mqtt_broker", "not_acknowledged"] },
  },
  {
    method: "post",
    path: "/api/v1/iot/telemetry",
    id: "iotTelemetry",
    tag: "AWS IoT",
    summary: "Publishes telemetry of a device to AWS IoT Core",
    body: {
      schema: telemetrySchema,
      example: { device_id: "bombercat-001", data: { temperature: 21.5 } },
    },
    answers: receipts({ status: "published", device_id: "bombercat-001" }),
    problems: IOT_PROBLEMS,
  },
  {
    method: "post",
    path: "/api/v1/iot/events",
    id: "iotEvent",
    tag: "AWS IoT",
    summary: "Publishes an event of a device to AWS IoT Core",
    body: {
      schema: eventSchema,
      example: { device_id: "bombercat-001", event: "door_open", metadata: { door: 2 } },
    },
    answers: receipts({ status: "published", device_id: "bombercat-001", event: "door_open" }),
    problems: IOT_PROBLEMS,
  },
  {
    method: "get",
    path: "/api/v1/iot/status",
    id: "iotStatus",
    tag: "AWS IoT",
    summary: "Returns the state of the connection to AWS IoT Core",
    answers: { 200: { description: "The state", schema: iotStatusSchema } },
  },
];
