/** Finds the device id of a message: in the payload, the topic or the record's key. */

import type { Origin } from "./origin.ts";

/** Messages with a longer device id are skipped. Counted in Unicode code points. */
export const MAX_DEVICE_ID_CHARS = 128;

export interface DeviceIdOptions {
  /** A message on `<prefix>X` belongs to device X, whatever its payload says. */
  readonly commandTopicPrefix: string;
  /** Field names that lead to the id; used instead of the places in known payloads. */
  readonly deviceIdPath?: readonly string[] | undefined;
}

const TRACKING = ["data", "DEVICE_ID"] as const;
const TELEMETRY = ["device_id"] as const;
const COMPANY = ["empresa"] as const;

/**
 * The device id of a parsed message, trimmed and well-formed, of any length; undefined if no place
 * has one. `text` is the JSON that `value` was parsed from: numbers are taken as written.
 */
export function deviceIdOf(
  value: object,
  text: string,
  origin: Origin,
  options: DeviceIdOptions,
): string | undefined {
  const prefix = options.commandTopicPrefix;
  if (prefix !== "" && origin.topic.startsWith(prefix)) {
    const id = clean(origin.topic.slice(prefix.length));
    if (id !== undefined) return id;
  }
  if (options.deviceIdPath) return textAt(value, options.deviceIdPath, text);
  return textAt(value, TRACKING, text) ?? textAt(value, TELEMETRY, text) ??
    textAt(value, COMPANY, text) ?? (hasKind(value) ? clean(origin.topic) : undefined) ??
    clean(origin.key ?? "");
}

/** The string or number at a path, as trimmed text; undefined if empty or of another type. */
export function textAt(value: unknown, path: readonly string[], text: string): string | undefined {
  const found = valueAt(value, path);
  if (typeof found === "string") return clean(found);
  if (typeof found === "number") return clean(numberText(found, path, text));
  return undefined;
}

/** Whether an id is longer than the contract allows. */
export function isTooLong(id: string): boolean {
  if (id.length <= MAX_DEVICE_ID_CHARS) return false;
  if (id.length > 2 * MAX_DEVICE_ID_CHARS) return true;
  return Array.from(id).length > MAX_DEVICE_ID_CHARS;
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  let place = value;
  for (const name of path) {
    if (typeof place !== "object" || place === null || !Object.hasOwn(place, name)) {
      return undefined;
    }
    place = (place as Record<string, unknown>)[name];
  }
  return place;
}

function hasKind(value: object): boolean {
  const kind = valueAt(value, ["tipo_mensaje"]);
  return kind !== undefined && kind !== null;
}

function clean(id: string): string | undefined {
  const trimmed = id.trim();
  return trimmed === "" ? undefined : trimmed.toWellFormed();
}

/** Stands in for a number, to keep its original text through the parse. */
class NumberText {
  constructor(readonly text: string) {}
}

type Reviver = (key: string, value: unknown, context?: { source?: string }) => unknown;

/**
 * The source text of the number at `path`. Parsing loses the text of numbers such as
 * 12345678901234567890 and 1.0, so a second parse recovers it.
 */
function numberText(value: number, path: readonly string[], text: string): string {
  const name = path.at(-1);
  const keepText: Reviver = (key, inner, context) =>
    key === name && typeof inner === "number" && context?.source !== undefined
      ? new NumberText(context.source)
      : inner;
  try {
    const found = valueAt(JSON.parse(text, keepText), path);
    if (found instanceof NumberText) return found.text;
  } catch {
    // A reviver recurses: what JSON.parse() accepts may be nested too deep for it.
  }
  return String(value);
}
