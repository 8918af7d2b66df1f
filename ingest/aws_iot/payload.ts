/** The payloads that devices and the cloud expect, checked before they are sent. */

import { MAX_DEVICE_ID_CHARS } from "../messages/device_id.ts";
import { checkTopic, InvalidTopicError } from "../mqtt/topic_name.ts";
import { MAX_PAYLOAD_BYTES, MAX_TOPIC_BYTES, MAX_TOPIC_LEVELS } from "./settings.ts";

/** The data cannot be published; the message says what is wrong, and where. */
export class InvalidPayloadError extends Error {
  override readonly name = "InvalidPayloadError";
}

/** JSON text that is sent unchanged. Its creator must have parsed it and know its content. */
export class RawJson {
  readonly text: string;

  /** Removes line breaks: valid JSON has them only between tokens, and streams allow none. */
  constructor(text: string) {
    this.text = text.replace(/[\r\n]+/g, "");
  }
}

export type JsonObject = Readonly<Record<string, unknown>>;

const MAX_DEPTH = 64;
const MAX_EVENT_CHARS = 128;
const encoder = new TextEncoder();

export interface PayloadOptions {
  readonly deviceId: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** @throws {InvalidPayloadError} */
export function telemetryPayload(
  data: JsonObject | RawJson,
  { deviceId, at }: PayloadOptions,
): string {
  const body = jsonText(data, "data");
  return `{"timestamp":${seconds(at)},"device_id":${idText(deviceId)},"data":${body}}`;
}

/** @throws {InvalidPayloadError} */
export function eventPayload(
  event: string,
  metadata: JsonObject | RawJson,
  { deviceId, at }: PayloadOptions,
): string {
  const name = typeof event === "string" ? event : "";
  if (name.trim() === "" || Array.from(name).length > MAX_EVENT_CHARS) {
    throw new InvalidPayloadError(`event: must be a name of 1 to ${MAX_EVENT_CHARS} characters`);
  }
  return `{"timestamp":${seconds(at)},"device_id":${idText(deviceId)},` +
    `"event":${JSON.stringify(name)},"metadata":${jsonText(metadata, "metadata")}}`;
}

/** The topic of a device's commands. @throws {InvalidPayloadError} if the id is invalid. */
export function commandTopic(prefix: string, deviceId: string): string {
  idText(deviceId);
  return prefix + deviceId;
}

/** @throws {InvalidTopicError} if AWS would close the connection because of the topic. */
export function checkAwsTopic(topic: string): void {
  checkTopic(topic, MAX_TOPIC_BYTES);
  if (topic.split("/").length > MAX_TOPIC_LEVELS) {
    throw new InvalidTopicError(`the topic must not have more than ${MAX_TOPIC_LEVELS} levels`);
  }
}

/** Seconds since 1970, with decimals even for whole seconds. */
export function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}

/** @throws {InvalidPayloadError} if the message is larger than `maxBytes`. */
export function checkSize(payload: string, maxBytes: number = MAX_PAYLOAD_BYTES): void {
  if (payload.length * 3 <= maxBytes || encoder.encode(payload).length <= maxBytes) return;
  throw new InvalidPayloadError(`the message is larger than ${maxBytes} bytes`);
}

function idText(deviceId: string): string {
  if (typeof deviceId !== "string" || deviceId.trim() === "") {
    throw new InvalidPayloadError("device_id: is missing");
  }
  if (Array.from(deviceId).length > MAX_DEVICE_ID_CHARS) {
    throw new InvalidPayloadError(`device_id: is longer than ${MAX_DEVICE_ID_CHARS} characters`);
  }
  return JSON.stringify(deviceId);
}

function jsonText(value: JsonObject | RawJson, name: string): string {
  if (value instanceof RawJson) return value.text;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidPayloadError(`${name}: must be an object`);
  }
  check(value, name, 0);
  return JSON.stringify(value);
}

/** JSON.stringify() silently turns NaN into null and leaves functions out. */
function check(value: unknown, path: string, depth: number): void {
  if (depth > MAX_DEPTH) {
    throw new InvalidPayloadError(`${path.slice(0, 100)}…: is nested too deep, or circular`);
  }
  switch (typeof value) {
    case "string":
    case "boolean":
      return;
    case "number":
      if (Number.isFinite(value)) return;
      throw new InvalidPayloadError(`${path}: JSON has no ${value}`);
    case "object":
      if (value === null || "toJSON" in value) return;
      if (Array.isArray(value)) value.forEach((one, i) => check(one, `${path}[${i}]`, depth + 1));
      else {
        for (const [name, one] of Object.entries(value)) {
          if (one !== undefined) check(one, `${path}.${name}`, depth + 1);
        }
      }
      return;
    default:
      throw new InvalidPayloadError(`${path}: JSON has no ${typeof value}`);
  }
}
