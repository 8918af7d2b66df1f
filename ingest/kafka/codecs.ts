/** Compression codecs for kafkajs: those that it lacks, and gzip with a size limit. */

import { Buffer } from "node:buffer";
import { gunzip, gzip, zstdCompress, zstdDecompress } from "node:zlib";
import { promisify } from "node:util";
import kafkajs from "kafkajs";
import snappy from "kafkajs-snappy";
import lz4 from "lz4js";
import { MAX_BATCH_BYTES, TooLargeError, unpackBatch } from "./unpacking.ts";

const bounded = { maxOutputLength: MAX_BATCH_BYTES };

const unzip = promisify<Uint8Array, typeof bounded, Buffer>(gunzip);
const unzstd = promisify<Uint8Array, typeof bounded, Buffer>(zstdDecompress);
const zip = promisify<Uint8Array, Buffer>(gzip);
const zstd = promisify<Uint8Array, Buffer>(zstdCompress);

interface Encoder {
  readonly buffer: Buffer;
}

interface Codec {
  compress(encoder: Encoder): Promise<Buffer>;
  decompress(buffer: Buffer): Promise<Buffer>;
}

const gzipCodec: Codec = {
  compress: ({ buffer }) => zip(buffer),
  decompress: (buffer) => unzip(buffer, bounded),
};

const lz4Codec: Codec = {
  compress: ({ buffer }) => Promise.resolve(lz4Frame(buffer)),
  // deno-lint-ignore require-await -- turns exceptions into rejections
  decompress: async (buffer) => {
    const size = lz4.decompressBound(buffer);
    if (!(size <= MAX_BATCH_BYTES)) throw new TooLargeError("Cannot decompress lz4: too large");
    return bufferOf(lz4.decompress(buffer, size));
  },
};

const zstdCodec: Codec = {
  compress: ({ buffer }) => zstd(buffer),
  decompress: (buffer) => unzstd(buffer, bounded),
};

let isRegistered = false;

/** Adds bounded gzip, snappy, lz4 and zstd to kafkajs, for consumers and producers. */
export function registerCodecs(): void {
  if (isRegistered) return;
  isRegistered = true;
  const { CompressionCodecs: codecs, CompressionTypes: types } = kafkajs;
  codecs[types.GZIP] = () => within(gzipCodec);
  codecs[types.Snappy] = () => within(snappy());
  codecs[types.LZ4] = () => within(lz4Codec);
  codecs[types.ZSTD] = () => within(zstdCodec);
}

/** The codec, with the bounds of {@linkcode unpackBatch}. */
function within({ compress, decompress }: Codec): Codec {
  return { compress, decompress: (packed) => unpackBatch(packed, decompress) };
}

/**
 * lz4js marks the blocks of its frames as dependent, which brokers refuse. A single block depends
 * on nothing, so the frame's descriptor and its checksum are changed to say that.
 */
function lz4Frame(bytes: Uint8Array): Buffer {
  if (bytes.length > 4 * 1024 * 1024) throw new Error("Cannot compress lz4: over 4 MB");
  const frame = bufferOf(lz4.compress(bytes));
  frame.set([0x60, 0x70, 0x73], 4);
  return frame;
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
