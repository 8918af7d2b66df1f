/** Operations on devices: their state, and commands to them. */

import { commandSchema } from "../api/commands.ts";
import { devicesQuerySchema, messagesQuerySchema } from "../api/devices.ts";
import {
  deviceIdSchema,
  devicesSchema,
  lastMessageSchema,
  messagesSchema,
  receiptSchema,
} from "./answers.ts";
import type { Operation, Parameter } from "./operation.ts";

export const EXAMPLE_DEVICE = "0848086072";

const id: Parameter = {
  name: "id",
  in: "path",
  description: "The device's id",
  schema: deviceIdSchema,
};
/** An MQTT topic must not contain #, + or control characters. */
// deno-lint-ignore no-control-regex -- control characters are what it excludes
const COMMANDABLE = /^(?=.*\S)[^#+\x00-\x1f\x7f-\x9f]+$/;
const example = { path: { id: EXAMPLE_DEVICE } };
const message = { device_id: EXAMPLE_DEVICE, data: { speed: 42 } };
const seen = { device_id: EXAMPLE_DEVICE, last_seen: "2026-11-23T00:51:28.288Z", state: "online" };
const UNKNOWN = { 403: ["device_not_granted"], 404: ["unknown_device"] };

export const DEVICE_OPERATIONS: readonly Operation[] = [
  {
    method: "get",
    path: "/api/v1/devices",
    id: "devices",
    tag: "Devices",
    summary: "Lists all devices that the token grants",
    query: devicesQuerySchema,
    answers: {
      200: {
        description: "A page of devices",
        schema: devicesSchema,
        example: { devices: [seen], next: null },
      },
    },
    problems: { 400: ["bad_limit", "bad_next"] },
    example: { query: { limit: "20" } },
  },
  {
    method: "get",
    path: "/api/v1/devices/{id}",
    id: "device",
    tag: "Devices",
    summary: "Returns one device with its last message",
    parameters: [id],
    answers: {
      200: {
        description: "The device",
        schema: lastMessageSchema,
        example: { ...seen, message },
      },
    },
    problems: UNKNOWN,
    example,
  },
  {
    method: "get",
    path: "/api/v1/devices/{id}/messages",
    id: "deviceMessages",
    tag: "Devices",
    summary: "Lists the stored messages of a device, oldest first",
    parameters: [id],
    query: messagesQuerySchema,
    answers: {
      200: {
        description: "A page of messages",
        schema: messagesSchema,
        example: { messages: [message], next: null, status: "full" },
      },
    },
    problems: { ...UNKNOWN, 400: ["bad_limit"] },
    example: { ...example, query: { limit: "10" } },
  },
  {
    method: "post",
    path: "/api/v1/devices/{id}/commands",
    id: "command",
    tag: "Devices",
    summary: "Sends a command to a device",
    description:
      "The body is published unchanged to the topic `COMMAND_TOPIC_PREFIX` plus the id: over " +
      "AWS IoT Core if that is configured, otherwise over MQTT.",
    parameters: [{ ...id, schema: deviceIdSchema.regex(COMMANDABLE) }],
    body: { schema: commandSchema, example: { action: "report", every_seconds: 30 } },
    answers: {
      200: {
        description: "The broker acknowledged the command",
        schema: receiptSchema,
        example: {
          status: "published",
          device_id: EXAMPLE_DEVICE,
          topic: `bombercat/commands/${EXAMPLE_DEVICE}`,
        },
      },
      202: { description: "Buffered until AWS IoT Core is reachable", schema: receiptSchema },
    },
    problems: {
      400: ["bad_message", "invalid_topic"],
      403: ["device_not_granted"],
      503: ["not_configured", "not_acknowledged", "refused_by_aws_iot"],
    },
    example,
  },
];
