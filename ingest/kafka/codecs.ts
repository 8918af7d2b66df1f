/** The codecs that kafkajs does not bring along. */

import { Buffer } from "node:buffer";
import { gunzip, gzip, zstdCompress, zstdDecompress } from "node:zlib";
import { promisify } from "node:util";
import kafkajs from "kafkajs";
import snappy from "kafkajs-snappy";
import lz4 from "lz4js";

/** A batch that claims to be larger is refused: a few bytes could otherwise fill the memory. */
const MAX_BATCH_BYTES = 128 * 1024 * 1024;
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
  compress: ({ buffer }) => Promise.resolve(bufferOf(lz4.compress(buffer))),
  // deno-lint-ignore require-await -- what it throws has to become a rejection
  decompress: async (buffer) => {
    const size = lz4.decompressBound(buffer);
    if (!(size <= MAX_BATCH_BYTES)) throw new Error("Cannot decompress lz4: too large");
    return bufferOf(lz4.decompress(buffer, size));
  },
};

const zstdCodec: Codec = {
  compress: ({ buffer }) => zstd(buffer),
  decompress: (buffer) => unzstd(buffer, bounded),
};

/** Teaches kafkajs gzip within bounds, snappy, lz4 and zstd; for consumers and producers. */
export function registerCodecs(): void {
  const { CompressionCodecs: codecs, CompressionTypes: types } = kafkajs;
  codecs[types.GZIP] = () => gzipCodec;
  codecs[types.Snappy] = snappy;
  codecs[types.LZ4] = () => lz4Codec;
  codecs[types.ZSTD] = () => zstdCodec;
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
