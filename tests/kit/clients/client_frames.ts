/** Builds masked WebSocket frames as a client sends them, and parses frames from a server. */

import { concat } from "../../routes/raw.ts";

export { concat };

const MASK = [0x37, 0xfa, 0x21, 0x3d];
const encoder = new TextEncoder();

export interface FrameOptions {
  readonly fin?: boolean;
  /** The three reserved bits, 0 to 7. */
  readonly rsv?: number;
  /** Size of the extended length: 0, 2 or 8 bytes; the shortest that fits by default. */
  readonly lengthBytes?: 0 | 2 | 8;
  /** Declared instead of the payload's actual length. */
  readonly length?: bigint;
  readonly isMasked?: boolean;
}

export function clientFrame(
  opcode: number,
  payload: string | Uint8Array = "",
  { fin = true, rsv = 0, isMasked = true, ...options }: FrameOptions = {},
): Uint8Array<ArrayBuffer> {
  const bytes = typeof payload === "string" ? encoder.encode(payload) : payload;
  const length = options.length ?? BigInt(bytes.length);
  const extended = options.lengthBytes ?? (length < 126n ? 0 : length < 65_536n ? 2 : 8);
  const short = extended === 0 ? Number(length) : extended === 2 ? 126 : 127;
  const size = Array.from(
    { length: extended },
    (_, i) => Number(length >> BigInt(8 * (extended - 1 - i)) & 0xffn),
  );
  const first = (fin ? 0x80 : 0) | rsv << 4 | opcode;
  const head = [first, (isMasked ? 0x80 : 0) | short, ...size, ...isMasked ? MASK : []];
  const masked = isMasked ? bytes.map((byte, i) => byte ^ MASK[i & 3]!) : bytes;
  return concat(Uint8Array.from(head), masked);
}

/** A close frame; without a payload if `code` is undefined. */
export function clientClose(code?: number, reason: string | Uint8Array = ""): Uint8Array {
  if (code === undefined) return clientFrame(8);
  const text = typeof reason === "string" ? encoder.encode(reason) : reason;
  return clientFrame(8, concat(Uint8Array.of(code >> 8, code & 255), text));
}

export interface ServerFrame {
  readonly opcode: number;
  readonly payload: Uint8Array;
}

/** Parses the bytes that a server wrote; they must end at a frame boundary. */
export function serverFrames(bytes: Uint8Array): ServerFrame[] {
  const frames: ServerFrame[] = [];
  for (let at = 0; at < bytes.length;) {
    const short = bytes[at + 1]!;
    const view = new DataView(bytes.buffer, bytes.byteOffset + at);
    const start = short < 126 ? 2 : short === 126 ? 4 : 10;
    const length = short < 126
      ? short
      : short === 126
      ? view.getUint16(2)
      : Number(view.getBigUint64(2));
    const end = at + start + length;
    if (!(bytes[at]! & 0x80) || end > bytes.length) throw new Error("Incomplete server frame");
    frames.push({ opcode: bytes[at]! & 0x0f, payload: bytes.slice(at + start, end) });
    at = end;
  }
  return frames;
}
