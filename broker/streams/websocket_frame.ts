/** Frames of the WebSocket protocol (RFC 6455, 5), as a server writes them. */

import { utf8 } from "../../lib/utf8.ts";

export const TEXT = 0x1;
export const BINARY = 0x2;
export const CLOSE = 0x8;
export const PING = 0x9;
export const PONG = 0xa;

const FIN = 0x80;
/** The longest header of a server's frame. */
const MAX_HEADER = 10;

/** A whole message in one frame. */
export function frame(opcode: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(MAX_HEADER + payload.length);
  bytes.set(payload, MAX_HEADER);
  return withHeader(opcode, bytes);
}

export function textFrame(text: string): Uint8Array<ArrayBuffer> {
  return withHeader(TEXT, utf8(text, MAX_HEADER));
}

/** Puts the header right before the payload; `bytes` starts with room for the longest header. */
function withHeader(opcode: number, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const length = bytes.length - MAX_HEADER;
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const start = MAX_HEADER - 2 - extended;
  bytes[start] = FIN | opcode;
  bytes[start + 1] = extended === 0 ? length : extended === 2 ? 126 : 127;
  for (let at = MAX_HEADER - 1, left = length; at > start + 1; at--) {
    bytes[at] = left % 256;
    left = Math.floor(left / 256);
  }
  return bytes.subarray(start);
}

/** `reason` is cut at 123 bytes. */
export function closeFrame(code: number, reason: string): Uint8Array {
  const text = utf8(reason).subarray(0, 123);
  const payload = new Uint8Array(2 + text.length);
  payload[0] = code >> 8;
  payload[1] = code & 0xff;
  payload.set(text, 2);
  return frame(CLOSE, payload);
}
