/** Parses the frames of an upstream WebSocket. */

import {
  checkInbound,
  type InboundMessage,
  looksInbound,
} from "../../broker/messages/inbound_message.ts";
import { rawMembers } from "../../broker/messages/raw_json.ts";
import { textAt } from "../messages/device_id.ts";

export type Part =
  /** From a device: JSON text as sent, and its cursor in the upstream stream, if it has one. */
  | { readonly kind: "telemetry"; readonly text: string; readonly cursor?: string | undefined }
  | { readonly kind: "inbound"; readonly message: InboundMessage }
  /** Neither; `why` says what is wrong. */
  | { readonly kind: "bad"; readonly text: string; readonly why: string }
  /** A cursor in the upstream stream up to which everything was sent. */
  | { readonly kind: "position"; readonly cursor: string }
  /** The upstream server reports an error or missing messages. */
  | { readonly kind: "error"; readonly text: string };

type Fields = Readonly<Record<string, unknown>>;

/**
 * Splits a frame into parts: a payload or a message by itself, or events of a stream such as
 * Telecast's own. Pings and the like yield nothing. `deviceIdPath` is from the configuration.
 */
export function partsOf(text: string, deviceIdPath?: readonly string[]): Part[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [{ kind: "bad", text, why: "not JSON" }];
  }
  if (!isFields(value)) return [{ kind: "bad", text, why: "not an object" }];
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
    // Batches come only with batch_ms; their numbers are parsed and written again.
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

/** Whether it names a device, and so is not from a person, whatever else it contains. */
function isTelemetry(value: Fields, text: string, path: readonly string[] | undefined): boolean {
  if (path && textAt(value, path, text) !== undefined) return true;
  const { data, device_id, tipo_mensaje } = value;
  return (isFields(data) && data.DEVICE_ID !== undefined) || device_id !== undefined ||
    tipo_mensaje !== undefined;
}

/** Describes the messages that a stream such as Telecast's reports as missing. */
function gapOf(event: string, data: unknown): string | undefined {
  const { status, count } = isFields(data) ? data : { status: undefined, count: undefined };
  if (event === "dropped") return `${count} messages were dropped: they were read too slowly`;
  if (event !== "resumed" || status === "full") return undefined;
  return `messages from before the reconnect are missing (replay: ${status})`;
}

function errorOf(data: unknown): string {
  const { code, message } = isFields(data) ? data : { code: undefined, message: undefined };
  return `${String(code ?? "error").slice(0, 60)}: ${String(message ?? "").slice(0, 200)}`;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
