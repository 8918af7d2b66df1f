/** Compresses large payloads over MQTT 5, whose content type can say so. */

import { gunzipSync, gzipSync } from "node:zlib";
import type { Encode } from "../mqtt/connection.ts";

/** The content type of a compressed JSON payload. */
export const GZIP_CONTENT_TYPE = "application/gzip";
/** A payload that inflates to more is a gzip bomb or too large for Telecast. */
const MAX_INFLATED_BYTES = 1_048_576;

/** Compresses payloads of at least `overBytes` for MQTT 5, except those that do not shrink. */
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

/** Reverses gzipEncode(). Recognizes gzip by its first bytes, which cannot begin JSON. */
export function gunzipped(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_INFLATED_BYTES });
  } catch {
    // Passed on unchanged: the check skips, logs and counts it.
    return bytes;
  }
}
