/** Frames of the WebSocket protocol (RFC 6455, 5), as a server writes them. */

export const TEXT = 0x1;
export const BINARY = 0x2;
export const CLOSE = 0x8;
export const PING = 0x9;
export const PONG = 0xa;

const FIN = 0x80;
const encoder = new TextEncoder();

/** A whole message in one frame. */
export function frame(opcode: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const { length } = payload;
  const header = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const bytes = new Uint8Array(header + length);
  bytes[0] = FIN | opcode;
  if (header === 2) bytes[1] = length;
  else {
    bytes[1] = header === 4 ? 126 : 127;
    for (let at = header - 1, left = length; at > 1; at--, left = Math.floor(left / 256)) {
      bytes[at] = left % 256;
    }
  }
  bytes.set(payload, header);
  return bytes;
}

export function textFrame(text: string): Uint8Array<ArrayBuffer> {
  return frame(TEXT, encoder.encode(text));
}

/** `reason` has room for 123 bytes. */
export function closeFrame(code: number, reason: string): Uint8Array {
  const text = encoder.encode(reason).subarray(0, 123);
  const payload = new Uint8Array(2 + text.length);
  payload[0] = code >> 8;
  payload[1] = code & 0xff;
  payload.set(text, 2);
  return frame(CLOSE, payload);
}
