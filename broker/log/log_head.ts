/** The state of the shared log: one small value that every append checks and sets. */

import { StoreDamagedError } from "../store/kv_client.ts";
import { decodeJson, encodeJson } from "../store/stored_json.ts";

export interface LogHead {
  /** Id of the epoch. */
  readonly epoch: string;
  /** Offset of the next message. */
  readonly next: number;
  /** Oldest offset that is kept; equal to `next` if nothing is kept. */
  readonly floor: number;
  /** The log's own clock, in ms; it runs while writers append. */
  readonly logTime: number;
  /** The last writer, and its number of the commit. */
  readonly writer: string;
  readonly batch: number;
  /** Number of each recent writer's newest append: its frames may be gone before they are seen. */
  readonly written: readonly (readonly [writer: string, batch: number])[];
}

/** More writers than append while an append of unknown outcome waits. */
const MAX_WRITERS = 16;

export function encodeHead(head: LogHead): Uint8Array {
  return encodeJson(head);
}

/** The list of writers for the next head. */
export function writtenBy(head: LogHead, writer: string, batch: number): LogHead["written"] {
  const others = head.written.filter(([name]) => name !== writer);
  return [...others.slice(1 - MAX_WRITERS), [writer, batch]];
}

/** Whether a later head describes an older log, without appends that `known` lists. */
export function lacks(head: LogHead, known: LogHead): boolean {
  if (head.next < known.next) return true;
  const newest = new Map(head.written);
  const isForgotten = head.written.length === MAX_WRITERS;
  return known.written.some(([writer, batch]) =>
    (newest.get(writer) ?? (isForgotten ? batch : -1)) < batch
  );
}

/** @throws {StoreDamagedError} if the bytes are not a head: the database is foreign or damaged. */
export function decodeHead(bytes: Uint8Array): LogHead {
  const { written = [], ...rest } = decodeJson(bytes) as Partial<LogHead>;
  const head = { ...rest, written } as LogHead;
  const numbers = [head.next, head.floor, head.logTime, head.batch];
  if (!/^[0-9a-z]{1,24}$/.test(head.epoch) || !numbers.every(Number.isFinite)) {
    throw new StoreDamagedError(
      "Cannot read the log's head: the database is damaged or not Telecast's",
    );
  }
  return head;
}
