/** JSON as the store keeps it: UTF-8. */

import { StoreDamagedError } from "./kv_client.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeJson(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

/** @throws {StoreDamagedError} if the bytes are not JSON. */
export function decodeJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch {
    throw new StoreDamagedError("Cannot read the database: it is damaged or not Telecast's");
  }
}
