/** Parses and checks the query of a stream. */

import { z } from "zod";
import { Interest, InterestError } from "../../broker/messages/interest.ts";
import type { SessionMode } from "../../broker/streams/session.ts";
import { flag, parseQuery, QueryError, whole, word } from "../http/query.ts";

export { QueryError };

export interface StreamQuery {
  readonly interest: Interest;
  readonly cursor: string | undefined;
  readonly snapshot: boolean;
  readonly mode: SessionMode;
}

const RATE = "must be a number above 0, such as 5 or 0.5";

/** Parameters of a stream besides its devices, which {@linkcode devicesOf} reads. */
export const streamQuerySchema = z.object({
  batch_ms: whole(1, 1000).optional()
    .describe("WebSocket: sends the messages of this many milliseconds in one frame"),
  mode: word(["latest"], "must be latest, or left out").meta({ allowEmptyValue: true }).optional()
    .describe("`latest`: only the newest message of each device, for clients that cannot keep up"),
  max_rate: z.string().regex(/^\d{1,15}(\.\d{1,6})?$/, RATE).transform(Number)
    .pipe(z.number().gt(0, RATE))
    .meta({ allowEmptyValue: true }).optional()
    .describe("At most this many messages a second for each device; implies `mode=latest`"),
  snapshot: flag().describe("Sends the last known message of each device first"),
  presence: flag().describe("Sends `presence` events too"),
});

export interface QueryOptions {
  readonly transport: "ws" | "sse";
  readonly maxDeviceIds: number;
  /** Without ids: an error if true, otherwise everything. */
  readonly requireDeviceIds: boolean;
}

/** The message that clients of the previous systems expect if ids are missing. */
const IDS_REQUIRED = "Debe especificar al menos un device_id en los query params";

/** @throws {QueryError} for the first invalid parameter. */
export function parseStreamQuery(url: URL, headers: Headers, options: QueryOptions): StreamQuery {
  const query = url.searchParams;
  const { batch_ms: batchMs, mode, max_rate: maxRate, snapshot, presence } = parseQuery(
    query,
    streamQuerySchema,
  );
  if (batchMs !== undefined && options.transport === "sse") {
    throw new QueryError("bad_batch_ms", "batch_ms is only for WebSockets: leave it out");
  }
  const lastEventId = options.transport === "sse" ? headers.get("last-event-id") : null;
  return {
    interest: interestOf(query, options),
    cursor: lastEventId || query.get("since") || undefined,
    snapshot,
    mode: { presence, latest: mode === "latest" || maxRate !== undefined, maxRate, batchMs },
  };
}

function interestOf(query: URLSearchParams, options: QueryOptions): Interest {
  const named = devicesOf(query, options.maxDeviceIds);
  if (named && !named.empty) return named;
  if (named || options.requireDeviceIds) {
    throw new QueryError("device_ids_required", IDS_REQUIRED);
  }
  return Interest.EVERYTHING;
}

/**
 * The devices that a query names by `device_ids` and `device_id`; undefined if it has neither.
 * @throws {QueryError} for too many ids, or one that is empty or too long.
 */
export function devicesOf(query: URLSearchParams, maxIds: number): Interest | undefined {
  const [lists, ids] = [query.getAll("device_ids"), query.getAll("device_id")];
  if (lists.length + ids.length === 0) return undefined;
  return checkedIds(() => {
    const listed = Interest.parse(lists, maxIds);
    return ids.length === 0 ? listed : listed.with(Interest.exactly(ids, maxIds), maxIds);
  });
}

/** @throws {QueryError} if `read` finds too many ids, or one that is empty or too long. */
export function checkedIds(read: () => Interest): Interest {
  try {
    return read();
  } catch (error) {
    if (error instanceof InterestError) throw new QueryError(error.code, error.message);
    throw error;
  }
}
