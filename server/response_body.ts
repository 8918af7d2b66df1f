/**
 * The body of an answer: read completely, and compressed if that pays off and the client accepts
 * it.
 */

import { promisify } from "node:util";
import { constants, gzip } from "node:zlib";

/** A smaller body fits into one packet uncompressed. */
const MIN_BYTES = 1_024;
const TEXT =
  /^(?:text\/(?!event-stream)|application\/(?:[\w.+-]+\+)?(?:json|xml|javascript)|image\/svg)/;
const packed = promisify(gzip);

/**
 * Reads the whole body; output that is streamed goes through a `DirectRequest`. Adds the headers
 * that a compressed body needs.
 */
export async function responseBody(
  response: Response,
  acceptEncoding: string | null,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await response.bytes();
  const { headers } = response;
  if (bytes.length < MIN_BYTES || !TEXT.test(headers.get("content-type") ?? "")) return bytes;
  if (headers.has("content-encoding") || headers.has("etag")) return bytes;
  headers.append("vary", "accept-encoding");
  if (!accepts(acceptEncoding, "gzip")) return bytes;
  headers.set("content-encoding", "gzip");
  return new Uint8Array(await packed(bytes, { level: constants.Z_BEST_SPEED }));
}

function accepts(header: string | null, coding: string): boolean {
  return (header ?? "").split(",").some((item) => {
    const [name, weight = ""] = item.trim().toLowerCase().split(/\s*;\s*/);
    return name === coding && !/^q=0(?:\.0*)?$/.test(weight);
  });
}
