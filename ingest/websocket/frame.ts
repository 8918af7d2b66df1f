/** What one frame of an upstream WebSocket holds. */

import {
  checkInbound,
  type InboundMessage,
  looksInbound,
} from "../../broker/messages/inbound_message.ts";
import { rawMembers } from "../../broker/messages/raw_json.ts";
import { textAt } from "../messages/device_id.ts";

export type Part =
  /** Of a device: JSON text as it was sent, and its place in the upstream stream where it has one. */
  | { readonly kind: "telemetry"; readonly text: string; readonly cursor?: string | undefined }
  | { readonly kind: "inbound"; readonly message: InboundMessage }
  /** Neither; `why` names what is missing. */
  | { readonly kind: "bad"; readonly text: string; readonly why: string }
  /** A place in the upstream stream up to which everything was sent. */
  | { readonly kind: "position"; readonly cursor: string }
  /** The upstream server says that something is wrong, or missing. */
  | { readonly kind: "error"; readonly text: string };

type Fields = Readonly<Record<string, unknown>>;

/**
 * Takes a frame apart: a payload or a message by itself, or events of a stream such as Telecast's
 * own, of which pings and the like hold nothing. `deviceIdPath` is that of the configuration.
 */
export function partsOf(text: string, deviceIdPath?: readonly string[]): Part[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [{ kind: "bad", text, why: "not JSON" }];
  }
  if (!isFields(value)) return [{ kind: "bad", text, why: "no object" }];
  if (isTelemetry(value, text, deviceIdPath)) return [{ kind: "telemetry", text }];
  if (typeof value.event === "string") return ofEvent(value.event, value, text, deviceIdPath);
  if (value.type === "ping" || value.type === "pong" || value.type === "keep-alive") return [];
  return ofPayload(value, text, deviceIdPath);
}

function ofEvent(event: string, value: Fields, text: string, path?: readonly string[]): Part[] {
  if (event === "error") return [{ kind: "error", text: errorOf(value.data) }];
  const cursor = typeof value.id === "string" ? value.id : undefined;
  if (event === "ping") return cursor ? [{ kind: "position", cursor }] : [];
  const gap = gapOf(event, value.data);
  if (gap !== undefined) return [{ kind: "error", text: gap }];
  if (event === "message") {
    const data = rawMembers(text).get("data");
    if (data === undefined) return [{ kind: "bad", text, why: "no data" }];
    return ofPayload(value.data, data, path, cursor);
  }
  if (event !== "batch" || !Array.isArray(value.data)) return [];
  return value.data.flatMap((item) => {
    // A batch is asked for with batch_ms; its numbers go through one parse.
    const { data, id } = isFields(item) ? item : { data: undefined, id: undefined };
    return ofPayload(data, JSON.stringify(data) ?? "null", path, typeof id === "string" ? id : "");
  });
}

function ofPayload(
  value: unknown,
  text: string,
  path?: readonly string[],
  cursor?: string,
): Part[] {
  if (looksInbound(value) && !isTelemetry(value as Fields, text, path)) {
    const checked = checkInbound(value, text);
    if (checked.kind === "bad") return [{ kind: "bad", text, why: `${checked.field} is wrong` }];
    return checked.messages.map((message) => ({ kind: "inbound", message }));
  }
  return [{ kind: "telemetry", text, cursor }];
}

/** Whether it names a device, and so is none of a person's, whatever else it holds. */
function isTelemetry(value: Fields, text: string, path: readonly string[] | undefined): boolean {
  if (path && textAt(value, path, text) !== undefined) return true;
  const { data, device_id, tipo_mensaje } = value;
  return (isFields(data) && data.DEVICE_ID !== undefined) || device_id !== undefined ||
    tipo_mensaje !== undefined;
}

/** What a stream such as Telecast's says of messages that will not come. */
function gapOf(event: string, data: unknown): string | undefined {
  const { status, count } = isFields(data) ? data : { status: undefined, count: undefined };
  if (event === "dropped") return `messages were dropped, as they were read too slowly: ${count}`;
  if (event !== "resumed" || status === "full") return undefined;
  return `messages are missing from before the reconnect: it has ${status} of them`;
}

function errorOf(data: unknown): string {
  const { code, message } = isFields(data) ? data : { code: undefined, message: undefined };
  return `${String(code ?? "error").slice(0, 60)}: ${String(message ?? "").slice(0, 200)}`;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
