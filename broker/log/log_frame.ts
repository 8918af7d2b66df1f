/** How messages are packed into the values of the shared log. */

import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { fingerprint } from "../messages/fingerprint.ts";
import { StoreDamagedError } from "../store/kv_client.ts";
import { type Entry, type Epoch, hasUuid, Publication } from "../messages/message.ts";

/**
 * Layout, little-endian: version (u8), writer (8 bytes of ASCII), batch (f64), log time in ms
 * (f64), time in ms since 1970 (f64), count (u16); then for each message: flags (u8), length of the
 * id (u16), length of the payload (u16), id, payload, both UTF-8.
 */
const VERSION = 1;
/** The same header, followed by the messages compressed with zstd. */
const COMPRESSED_VERSION = 2;
const HEADER_BYTES = 1 + 8 + 8 + 8 + 8 + 2;
const ENTRY_BYTES = 1 + 2 + 2;
const HAS_UUID = 1;
/** A value has at most 65,536 bytes; a message has at most 60,000 and its id at most 512. */
const MAX_FRAME_BYTES = 65_000;
/** A frame takes no more messages beyond this size, so most frames are about 60 KB. */
const FULL_FRAME_BYTES = 60_000;

/** Compressing a smaller frame takes longer than it saves. */
const MIN_COMPRESSED_BYTES = 8_192;
const FASTEST = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
const BOUNDED = { maxOutputLength: 65_536 };

export const WRITER_CHARS = 8;

export interface FrameHeader {
  /** The writer's name: {@linkcode WRITER_CHARS} characters. */
  readonly writer: string;
  /** The writer's number of the commit that stored the frame. */
  readonly batch: number;
  /** Time by the log's own clock, in ms. */
  readonly logTime: number;
  /** Milliseconds since 1970, by the writer's clock. */
  readonly time: number;
}

/** A frame read from the store, decompressed. */
export interface StoredFrame extends FrameHeader {
  readonly firstOffset: number;
  /** Offset after its last message. */
  readonly next: number;
  readonly bytes: Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const scratch = new Uint8Array(MAX_FRAME_BYTES + 3 * 65_536);
const scratchView = new DataView(scratch.buffer);

export interface PackedFrame {
  readonly bytes: Uint8Array;
  readonly count: number;
}

/** Packs as many entries as fit into one frame, at least one, starting at index `from`. */
export function packFrame(
  header: FrameHeader,
  entries: readonly Entry[],
  from: number,
): PackedFrame {
  scratchView.setUint8(0, VERSION);
  encoder.encodeInto(header.writer, scratch.subarray(1, 1 + WRITER_CHARS));
  scratchView.setFloat64(9, header.batch, true);
  scratchView.setFloat64(17, header.logTime, true);
  scratchView.setFloat64(25, header.time, true);
  let end = HEADER_BYTES;
  let count = 0;
  for (let i = from; i < entries.length && end < FULL_FRAME_BYTES && count < 65_535; i++) {
    const next = packEntry(entries[i]!, end);
    if (next > MAX_FRAME_BYTES && count > 0) break;
    end = next;
    count++;
  }
  scratchView.setUint16(33, count, true);
  return { bytes: scratch.slice(0, end), count };
}

function packEntry(entry: Entry, at: number): number {
  const body = at + ENTRY_BYTES;
  const idBytes = encoder.encodeInto(entry.deviceId, scratch.subarray(body)).written;
  const payload = scratch.subarray(body + idBytes);
  const payloadBytes = encoder.encodeInto(entry.payload, payload).written;
  scratchView.setUint8(at, hasUuid(entry) ? HAS_UUID : 0);
  scratchView.setUint16(at + 1, idBytes, true);
  scratchView.setUint16(at + 3, payloadBytes, true);
  return body + idBytes + payloadBytes;
}

/**
 * The bytes to store for a frame: compressed if that makes it smaller. SQLite, network and disk
 * take less time for fewer bytes.
 */
export function compressFrame(frame: Uint8Array): Uint8Array {
  if (frame.length < MIN_COMPRESSED_BYTES) return frame;
  const messages = zstdCompressSync(frame.subarray(HEADER_BYTES), FASTEST);
  if (HEADER_BYTES + messages.length >= frame.length) return frame;
  return withMessages(frame, COMPRESSED_VERSION, messages);
}

/**
 * Restores the frame from its stored bytes.
 * @throws {StoreDamagedError}
 */
export function decompressFrame(stored: Uint8Array): Uint8Array {
  if (stored[0] !== COMPRESSED_VERSION) return stored;
  try {
    const messages = zstdDecompressSync(stored.subarray(HEADER_BYTES), BOUNDED);
    return withMessages(stored, VERSION, messages);
  } catch (error) {
    throw new StoreDamagedError("Cannot read the log: a frame is damaged", { cause: error });
  }
}

/** The same header with another version, followed by `messages`. */
function withMessages(frame: Uint8Array, version: number, messages: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + messages.length);
  bytes.set(frame.subarray(0, HEADER_BYTES));
  bytes.set(messages, HEADER_BYTES);
  bytes[0] = version;
  return bytes;
}

/** The header of a frame and the number of its messages. */
export function readHeader(bytes: Uint8Array): FrameHeader & { count: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint8(0) !== VERSION) {
    throw new StoreDamagedError(
      `Cannot read the log: it has frames of version ${view.getUint8(0)}`,
    );
  }
  return {
    writer: decoder.decode(bytes.subarray(1, 9)),
    batch: view.getFloat64(9, true),
    logTime: view.getFloat64(17, true),
    time: view.getFloat64(25, true),
    count: view.getUint16(33, true),
  };
}

/** The messages of a frame that `wanted` accepts, as publications from `firstOffset` on. */
export function unpackFrame(
  bytes: Uint8Array,
  epoch: Epoch,
  firstOffset: number,
  wanted?: (deviceId: string, offset: number) => boolean,
): Publication[] {
  const { count, time } = readHeader(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const publications: Publication[] = [];
  let at = HEADER_BYTES;
  for (let i = 0; i < count; i++) {
    const idEnd = at + ENTRY_BYTES + view.getUint16(at + 1, true);
    const end = idEnd + view.getUint16(at + 3, true);
    const deviceId = decoder.decode(bytes.subarray(at + ENTRY_BYTES, idEnd));
    if (!wanted || wanted(deviceId, firstOffset + i)) {
      const payload = bytes.subarray(idEnd, end);
      const isMarked = (view.getUint8(at) & HAS_UUID) !== 0;
      const publication = new Publication(
        epoch,
        firstOffset + i,
        deviceId,
        decoder.decode(payload),
        isMarked,
        time,
      );
      if (isMarked) publication.fingerprint = fingerprint(payload);
      publications.push(publication);
    }
    at = end;
  }
  return publications;
}
