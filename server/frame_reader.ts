/** Frames of the WebSocket protocol (RFC 6455, 5), as a server reads them. */

import { BINARY, CLOSE, PING, PONG, TEXT } from "../broker/websocket_frame.ts";

export interface FrameHandler {
  /** A whole message, however many frames it came in. */
  onMessage(data: string | ArrayBuffer): void;
  onPing(payload: Uint8Array): void;
  /** The peer ends the connection; `code` is 1005 where it named none. */
  onClose(code: number): void;
  /** The peer broke the protocol: the connection has to be closed with `code`. */
  onViolation(code: number, reason: string): void;
}

const PROTOCOL_ERROR = 1002;
const NOT_UTF8 = 1007;
const TOO_BIG = 1009;
const NO_CODE = 1005;
/** The longest header: two bytes, a length of eight, a mask of four. */
const MAX_HEADER = 14;
/** A message of more frames costs more memory than its bytes tell. */
const MAX_PARTS = 1_024;
const NOTHING = new Uint8Array(0);
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Takes bytes as they come, and tells the handler of what is whole; after a violation, nothing. */
export class FrameReader {
  /** The beginning of a frame that is not whole; as long as the frame once its length is known. */
  #frame: Uint8Array = NOTHING;
  #filled = 0;
  /** Frames of a message whose last is still to come. */
  #parts: Uint8Array[] | undefined;
  #partsBytes = 0;
  #opcode = 0;
  #over = false;

  constructor(private readonly handler: FrameHandler, private readonly maxMessageBytes: number) {}

  /** The bytes may be used for something else afterwards. */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length && !this.#over) at += this.#take(bytes, at);
  }

  /** Takes a part of `bytes` from `at` on; returns how many. */
  #take(bytes: Uint8Array, at: number): number {
    if (this.#filled === 0) {
      // Most frames arrive whole.
      const length = this.#lengthOf(bytes, at, bytes.length);
      if (length !== undefined && at + length <= bytes.length) {
        this.#whole(bytes.subarray(at, at + length));
        return length;
      }
    }
    return this.#fill(bytes, at);
  }

  #fill(bytes: Uint8Array, at: number): number {
    const known = this.#lengthOf(this.#frame, 0, this.#filled);
    if (this.#over) return 0;
    const wanted = known ?? this.#filled + 1;
    if (this.#frame.length < wanted) {
      const longer = new Uint8Array(known ?? MAX_HEADER);
      longer.set(this.#frame.subarray(0, this.#filled));
      this.#frame = longer;
    }
    const taken = Math.min(wanted - this.#filled, bytes.length - at);
    this.#frame.set(bytes.subarray(at, at + taken), this.#filled);
    this.#filled += taken;
    const length = known ?? this.#lengthOf(this.#frame, 0, this.#filled);
    if (length === this.#filled) {
      const whole = this.#frame.subarray(0, length);
      this.#frame = NOTHING;
      this.#filled = 0;
      this.#whole(whole);
    }
    return taken;
  }

  /** The length of the frame that begins at `at`; undefined where its header is not whole. */
  #lengthOf(bytes: Uint8Array, at: number, end: number): number | undefined {
    if (end - at < 2 || this.#over) return undefined;
    const first = bytes[at]!;
    const second = bytes[at + 1]!;
    const opcode = first & 0x0f;
    const short = second & 0x7f;
    if (first & 0x70) return this.#violation(PROTOCOL_ERROR, "no extension was agreed");
    if (!(second & 0x80)) return this.#violation(PROTOCOL_ERROR, "a client's frames are masked");
    if (opcode >= CLOSE ? opcode > PONG : opcode > BINARY) {
      return this.#violation(PROTOCOL_ERROR, "unknown opcode");
    }
    if (opcode >= CLOSE && (short > 125 || !(first & 0x80))) {
      return this.#violation(PROTOCOL_ERROR, "a control frame is short and whole");
    }
    const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
    const header = 2 + extended + 4;
    if (end - at < header) return undefined;
    let length = extended === 0 ? short : 0;
    for (let i = 0; i < extended; i++) length = length * 256 + bytes[at + 2 + i]!;
    if (length + this.#partsBytes > this.maxMessageBytes && opcode < CLOSE) {
      return this.#violation(TOO_BIG, "frame too big");
    }
    return header + length;
  }

  #whole(frame: Uint8Array): void {
    const opcode = frame[0]! & 0x0f;
    if (opcode === PONG) return;
    const short = frame[1]! & 0x7f;
    const mask = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0);
    const payload = frame.slice(mask + 4);
    for (let i = 0; i < payload.length; i++) payload[i]! ^= frame[mask + (i & 3)]!;
    if (opcode === PING) this.handler.onPing(payload);
    else if (opcode === CLOSE) this.#close(payload);
    else this.#data(opcode, payload, (frame[0]! & 0x80) !== 0);
  }

  #data(opcode: number, payload: Uint8Array<ArrayBuffer>, last: boolean): void {
    if ((opcode === 0) !== (this.#parts !== undefined)) {
      this.#violation(PROTOCOL_ERROR, "a message begins within another, or nowhere");
      return;
    }
    if (opcode !== 0) this.#opcode = opcode;
    if (last && !this.#parts) return this.#message(payload);
    this.#parts ??= [];
    if (this.#parts.push(payload) > MAX_PARTS) {
      this.#violation(TOO_BIG, "too many fragments");
      return;
    }
    this.#partsBytes += payload.length;
    if (!last) return;
    const whole = new Uint8Array(this.#partsBytes);
    let at = 0;
    for (const part of this.#parts) {
      whole.set(part, at);
      at += part.length;
    }
    this.#parts = undefined;
    this.#partsBytes = 0;
    this.#message(whole);
  }

  #message(payload: Uint8Array<ArrayBuffer>): void {
    if (this.#opcode !== TEXT) return this.handler.onMessage(payload.buffer);
    const text = textOf(payload);
    if (text === undefined) this.#violation(NOT_UTF8, "a text is UTF-8");
    else this.handler.onMessage(text);
  }

  #close(payload: Uint8Array): void {
    this.#over = true;
    const code = payload.length === 0 ? NO_CODE : payload[0]! * 256 + (payload[1] ?? 0);
    const valid = payload.length === 0 ||
      payload.length > 1 && mayBeSent(code) && textOf(payload.subarray(2)) !== undefined;
    if (valid) this.handler.onClose(code);
    else this.handler.onViolation(PROTOCOL_ERROR, "no code to close with");
  }

  #violation(code: number, reason: string): undefined {
    if (!this.#over) this.handler.onViolation(code, reason);
    this.#over = true;
  }
}

/** RFC 6455, 7.4: codes that may stand in a frame. */
function mayBeSent(code: number): boolean {
  return code >= 3000
    ? code < 5000
    : code >= 1000 && code < 1015 && ![1004, 1005, 1006].includes(code);
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}
