/** Large payloads travel compressed, where MQTT 5 can say so. */

import { gunzipSync, gzipSync } from "node:zlib";
import type { Encode } from "../mqtt/connection.ts";

/** The content type of a compressed payload; inside is the JSON. */
export const GZIP_CONTENT_TYPE = "application/gzip";
/** A payload that claims more is a bomb, or nothing that Telecast takes. */
const MAX_INFLATED_BYTES = 1_048_576;

/** Compresses payloads of `overBytes` and more for MQTT 5, and leaves those that do not shrink. */
export function gzipEncode(overBytes: number): Encode {
  const encoder = new TextEncoder();
  return (payload, version) => {
    if (version !== 5 || payload.length * 3 < overBytes) return { payload };
    const bytes = encoder.encode(payload);
    if (bytes.length < overBytes) return { payload };
    const packed = gzipSync(bytes);
    return packed.length < bytes.length
      ? { payload: packed, contentType: GZIP_CONTENT_TYPE }
      : { payload: bytes };
  };
}

/** The payload as it was before gzipEncode; known by its first bytes, which no JSON begins with. */
export function gunzipped(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_INFLATED_BYTES });
  } catch {
    // Passed on as it is, the check skips it, says so and counts it.
    return bytes;
  }
}
