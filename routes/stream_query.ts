/** The query of a stream: what the client asks for, checked. */

import { Interest, InterestError } from "../broker/interest.ts";
import type { SessionMode } from "../broker/session.ts";

export interface StreamQuery {
  readonly interest: Interest;
  readonly cursor: string | undefined;
  readonly snapshot: boolean;
  readonly mode: SessionMode;
}

/** A parameter that is wrong; `code` is stable. */
export class QueryError extends Error {
  override readonly name = "QueryError";
  constructor(readonly code: string, message: string) {
    super(message);
  }
}

export interface QueryOptions {
  readonly transport: "ws" | "sse";
  readonly maxDeviceIds: number;
  /** Without ids: an error, where they are required, or else everything. */
  readonly requireDeviceIds: boolean;
}

/** What the five clients of before expect to read where ids are missing. */
const IDS_REQUIRED = "Debe especificar al menos un device_id en los query params";

/** @throws {QueryError} for the first parameter that is wrong. */
export function parseStreamQuery(url: URL, headers: Headers, options: QueryOptions): StreamQuery {
  const query = url.searchParams;
  const batchMs = whole(query, "batch_ms", 1, 1000);
  if (batchMs !== undefined && options.transport === "sse") {
    throw new QueryError("bad_batch_ms", "batch_ms is for WebSockets: leave it out");
  }
  const mode = query.get("mode") ?? "";
  if (mode !== "" && mode !== "latest") {
    throw new QueryError("bad_mode", "mode may be latest, or left out");
  }
  const maxRate = rate(query, "max_rate");
  const lastEventId = options.transport === "sse" ? headers.get("last-event-id") : null;
  return {
    interest: interestOf(query.getAll("device_ids"), options),
    cursor: lastEventId || query.get("since") || undefined,
    snapshot: flag(query, "snapshot"),
    mode: {
      presence: flag(query, "presence"),
      latest: mode === "latest" || maxRate !== undefined,
      maxRate,
      batchMs,
    },
  };
}

function interestOf(lists: string[], options: QueryOptions): Interest {
  const interest = parseInterest(lists, options.maxDeviceIds);
  if (!interest.empty) return interest;
  if (options.requireDeviceIds) throw new QueryError("device_ids_required", IDS_REQUIRED);
  return Interest.EVERYTHING;
}

/** @throws {QueryError} for too many ids, or one that is too long. */
export function parseInterest(lists: readonly string[], maxIds: number): Interest {
  try {
    return Interest.parse(lists, maxIds);
  } catch (error) {
    if (error instanceof InterestError) throw new QueryError(error.code, error.message);
    throw error;
  }
}

function flag(query: URLSearchParams, name: string): boolean {
  const value = query.get(name) ?? "";
  if (value === "1" || value === "true") return true;
  if (value === "0" || value === "false" || value === "") return false;
  throw new QueryError(`bad_${name}`, `${name} may be 1 or 0`);
}

/** A whole number from `min` to `max`; undefined where the parameter is left out. */
export function whole(
  query: URLSearchParams,
  name: string,
  min: number,
  max: number,
): number | undefined {
  const value = query.get(name) ?? "";
  if (value === "") return undefined;
  const number = Number(value);
  if (/^\d{1,9}$/.test(value) && number >= min && number <= max) return number;
  throw new QueryError(`bad_${name}`, `${name} must be a whole number from ${min} to ${max}`);
}

function rate(query: URLSearchParams, name: string): number | undefined {
  const value = query.get(name) ?? "";
  if (value === "") return undefined;
  const number = Number(value);
  if (/^\d{1,6}(\.\d{1,6})?$/.test(value) && number > 0 && number <= 1000) return number;
  throw new QueryError(`bad_${name}`, `${name} must be a number above 0, and at most 1000`);
}
