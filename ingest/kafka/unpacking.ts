/** Limits the unpacked size of compressed batches: a few kilobytes can hold gigabytes. */

import { Buffer } from "node:buffer";

export const MAX_BATCH_BYTES = 64 * 1024 * 1024;
/** For all batches in one fetch response; kafkajs keeps them in memory until they are read. */
const MAX_FETCH_BYTES = 64 * 1024 * 1024;

/** Thrown by a codec if a batch is larger than {@linkcode MAX_BATCH_BYTES}. */
export class TooLargeError extends Error {}

/** kafkajs takes this error for the end of a truncated response and fetches the rest again. */
class RestLaterError extends Error {
  override readonly name = "KafkaJSPartialMessageError";
}

/** Byte offsets in a batch (magic 2), relative to the start of its records. */
const MAGIC_AT = -45;
const LAST_OFFSET_DELTA_AT = -38;
const COUNT_AT = -4;
const HEADER_BYTES = 61;
const MAGIC = 2;
const MAX_RECORDS = 1_000_000;
const MAX_EMPTY_RECORD_BYTES = 11;

let unpackedBytes = 0;
let report: (text: string) => void = () => {};

/** Must be called before each fetch. */
export function fetchBegins(): void {
  unpackedBytes = 0;
}

/** Sets the listener for batches that are too large. Global, like the codecs of the thread. */
export function reportTooLarge(listener: (text: string) => void): void {
  report = listener;
}

/**
 * Unpacks a batch's records, unless the fetch has unpacked enough already. Records of a batch that
 * is too large lose their values, so they are skipped one by one like others that are not JSON. An
 * error would recur at each try, and nothing after the batch would ever be read.
 */
export async function unpackBatch(
  packed: Buffer,
  unpack: (packed: Buffer) => Promise<Buffer>,
): Promise<Buffer> {
  if (unpackedBytes >= MAX_FETCH_BYTES) throw new RestLaterError("the rest is fetched later");
  const batch = headerOf(packed);
  // kafkajs makes an object of each record, even of an empty one.
  if (batch && batch.count > MAX_RECORDS) throw new Error(`a batch of ${batch.count} records`);
  try {
    const bytes = await unpack(packed);
    unpackedBytes += bytes.length;
    return bytes;
  } catch (error) {
    if (!batch || !isTooLarge(error)) throw error;
    unpackedBytes += MAX_BATCH_BYTES;
    report(`${batch.count} records of one batch are skipped: they unpack to more than 64 MiB`);
    return withoutValues(batch);
  }
}

function isTooLarge(error: unknown): boolean {
  return error instanceof TooLargeError ||
    (error as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE";
}

interface BatchHeader {
  /** Number of records. */
  readonly count: number;
  readonly lastOffsetDelta: number;
}

/** The header precedes the records, which kafkajs passes as a view of the whole response. */
function headerOf({ buffer, byteOffset }: Buffer): BatchHeader | undefined {
  if (byteOffset < HEADER_BYTES) return undefined;
  const view = new DataView(buffer);
  if (view.getInt8(byteOffset + MAGIC_AT) !== MAGIC) return undefined;
  return {
    count: view.getInt32(byteOffset + COUNT_AT),
    lastOffsetDelta: view.getInt32(byteOffset + LAST_OFFSET_DELTA_AT),
  };
}

/** The same number of records up to the same offset, without keys, values and headers. */
function withoutValues({ count, lastOffsetDelta }: BatchHeader): Buffer {
  const bytes = Buffer.alloc(count * MAX_EMPTY_RECORD_BYTES);
  let end = 0;
  for (let i = 0; i < count; i++) {
    const delta = varint(i === count - 1 ? lastOffsetDelta : i);
    // Length, attributes and time; the offset; no key, no value, no headers.
    for (const byte of [(delta.length + 5) << 1, 0, 0, ...delta, 1, 1, 0]) bytes[end++] = byte;
  }
  return bytes.subarray(0, end);
}

/** A zigzag varint, seven bits per byte: the encoding of numbers in records. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return [...bytes, rest];
}
