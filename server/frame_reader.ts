/** Frames of the WebSocket protocol (RFC 6455, 5), as a server reads them. */

import { BINARY, CLOSE, PING, PONG, TEXT } from "../broker/websocket_frame.ts";
import { Utf8Check } from "./utf8_check.ts";

export interface FrameHandler {
  /** A whole message, however many frames it came in. */
  onMessage(data: string | ArrayBuffer): void;
  onPing(payload: Uint8Array): void;
  /** The client ends the connection; `code` is 1005 where it named none. */
  onClose(code: number): void;
  /** The client broke the protocol: the connection has to be closed with `code`. */
  onViolation(code: number, reason: string): void;
}

const PROTOCOL_ERROR = 1002;
const NOT_UTF8 = 1007;
const TOO_BIG = 1009;
const NO_CODE = 1005;
/** Frames without content take time, though no memory. */
const MAX_FRAMES = 1_024;
/** A message that does not come whole gets this much memory first, and twice as much each time. */
const FIRST_BYTES = 512;
const NOTHING = new Uint8Array(0);
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A frame whose header was read. */
interface Frame {
  readonly opcode: number;
  readonly isLast: boolean;
  readonly length: number;
  readonly mask: Uint8Array;
  /** Bytes of the payload that came so far. */
  read: number;
}

/** Takes bytes as they come, and tells of what is whole; after a close or a violation, nothing. */
export class FrameReader {
  /** The beginning of a header that is not whole. */
  #header: Uint8Array = NOTHING;
  #frame: Frame | undefined;
  /** The payload of a ping or a close that is not whole. */
  #control: Uint8Array = NOTHING;
  /** The message that is not whole: its opcode, 0 where there is none, its bytes and its frames. */
  #opcode = 0;
  #message: Uint8Array<ArrayBuffer> = NOTHING;
  #filled = 0;
  #frames = 0;
  #utf8: Utf8Check | undefined;
  #isOver = false;

  constructor(private readonly handler: FrameHandler, private readonly maxMessageBytes: number) {}

  /** A frame or a message has begun and is not whole. */
  get isWithin(): boolean {
    return this.#header.length > 0 || this.#frame !== undefined || this.#opcode !== 0;
  }

  /** The bytes may be used for something else afterwards. */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && !this.#isOver;) {
      at += this.#frame ? this.#readPayload(bytes, at, this.#frame) : this.#readHeader(bytes, at);
    }
  }

  // ---- headers

  /** Reads a header, or the part of it that is there; returns how many bytes that took. */
  #readHeader(bytes: Uint8Array, at: number): number {
    const before = this.#header.length;
    const head = before === 0 ? bytes.subarray(at) : concat(this.#header, bytes.subarray(at));
    const length = headerLength(head);
    if (head.length >= 2 && !this.#isSound(head[0]!, head[1]!)) return 0;
    if (length === undefined || head.length < length) {
      this.#header = head.slice();
      return bytes.length - at;
    }
    this.#header = NOTHING;
    this.#begin(head.subarray(0, length));
    return length - before;
  }

  /** What the first two bytes tell. */
  #isSound(first: number, second: number): boolean {
    const opcode = first & 0x0f;
    const isControl = opcode >= CLOSE;
    const isWhole = (first & 0x80) !== 0;
    if (first & 0x70) return this.#violation(PROTOCOL_ERROR, "no extension was agreed");
    if (!(second & 0x80)) return this.#violation(PROTOCOL_ERROR, "a client's frames are masked");
    if (isControl ? opcode > PONG : opcode > BINARY) {
      return this.#violation(PROTOCOL_ERROR, "unknown opcode");
    }
    if (isControl && ((second & 0x7f) > 125 || !isWhole)) {
      return this.#violation(PROTOCOL_ERROR, "a control frame is short and whole");
    }
    if (!isControl && (opcode === 0) !== (this.#opcode !== 0)) {
      return this.#violation(PROTOCOL_ERROR, "a message begins within another, or nowhere");
    }
    return true;
  }

  #begin(header: Uint8Array): void {
    const short = header[1]! & 0x7f;
    const extended = short < 126 ? 0 : short === 126 ? 2 : 8;
    let length = extended === 0 ? short : 0;
    for (let i = 0; i < extended; i++) length = length * 256 + header[2 + i]!;
    const fewest = extended === 0 ? 0 : extended === 2 ? 126 : 65_536;
    if (length < fewest || (extended === 8 && header[2]! >= 0x80)) {
      this.#violation(PROTOCOL_ERROR, "a length takes no more bytes than it needs");
      return;
    }
    const opcode = header[0]! & 0x0f;
    if (opcode < CLOSE && !this.#beginData(opcode, length)) return;
    const isLast = (header[0]! & 0x80) !== 0;
    this.#frame = { opcode, isLast, length, mask: header.slice(-4), read: 0 };
    if (length === 0) this.#end(this.#frame);
  }

  #beginData(opcode: number, length: number): boolean {
    if (this.#filled + length > this.maxMessageBytes) {
      return this.#violation(TOO_BIG, "frame too big");
    }
    if (++this.#frames > MAX_FRAMES) return this.#violation(TOO_BIG, "too many fragments");
    if (opcode !== 0) this.#opcode = opcode;
    return true;
  }

  // ---- payloads

  /** Takes what there is of the frame's payload; returns how many bytes. */
  #readPayload(bytes: Uint8Array, at: number, frame: Frame): number {
    const taken = Math.min(frame.length - frame.read, bytes.length - at);
    if (frame.opcode !== PONG) this.#keep(frame, bytes.subarray(at, at + taken));
    frame.read += taken;
    if (frame.read === frame.length && !this.#isOver) this.#end(frame);
    return taken;
  }

  #keep(frame: Frame, bytes: Uint8Array): void {
    const isControl = frame.opcode >= CLOSE;
    if (isControl) {
      if (frame.read === 0) this.#control = new Uint8Array(frame.length);
      unmask(bytes, frame, this.#control.subarray(frame.read));
      return;
    }
    const isWhole = frame.isLast && bytes.length === frame.length;
    this.#makeRoom(bytes.length, isWhole);
    const end = this.#filled + bytes.length;
    const kept = this.#message.subarray(this.#filled, end);
    unmask(bytes, frame, kept);
    this.#filled = end;
    if (this.#opcode !== TEXT || (isWhole && !this.#utf8)) return;
    // Text is judged as it comes where it does not come at once.
    this.#utf8 ??= new Utf8Check();
    if (!this.#utf8.push(kept)) this.#violation(NOT_UTF8, "a text is UTF-8");
  }

  #makeRoom(bytes: number, isWhole: boolean): void {
    const needed = this.#filled + bytes;
    if (needed <= this.#message.length) return;
    const twice = Math.max(FIRST_BYTES, this.#message.length * 2);
    const size = isWhole ? needed : Math.max(needed, Math.min(twice, this.maxMessageBytes));
    const longer = new Uint8Array(size);
    longer.set(this.#message.subarray(0, this.#filled));
    this.#message = longer;
  }

  #end({ opcode, isLast }: Frame): void {
    this.#frame = undefined;
    if (opcode < CLOSE) {
      if (isLast) this.#endMessage();
    } else {
      const payload = this.#control;
      this.#control = NOTHING;
      if (opcode === PING) this.handler.onPing(payload);
      else if (opcode === CLOSE) this.#close(payload);
    }
  }

  #endMessage(): void {
    const opcode = this.#opcode;
    const isExact = this.#message.length === this.#filled;
    const bytes = isExact ? this.#message : this.#message.slice(0, this.#filled);
    this.#forget();
    if (opcode === BINARY) return this.handler.onMessage(bytes.buffer);
    const text = textOf(bytes);
    if (text === undefined) this.#violation(NOT_UTF8, "a text is UTF-8");
    else this.handler.onMessage(text);
  }

  #close(payload: Uint8Array): void {
    const code = payload.length < 2 ? NO_CODE : payload[0]! * 256 + payload[1]!;
    if (payload.length > 0 && !mayBeSent(code)) {
      this.#violation(PROTOCOL_ERROR, "no code to close with");
    } else if (textOf(payload.subarray(2)) === undefined) {
      this.#violation(NOT_UTF8, "a reason is UTF-8");
    } else {
      this.#isOver = true;
      this.handler.onClose(code);
    }
  }

  #violation(code: number, reason: string): false {
    this.#isOver = true;
    this.#forget();
    this.handler.onViolation(code, reason);
    return false;
  }

  #forget(): void {
    this.#opcode = 0;
    this.#message = NOTHING;
    this.#filled = 0;
    this.#frames = 0;
    this.#utf8 = undefined;
  }
}

/** How long the header with its mask is; undefined where its second byte is missing. */
function headerLength(head: Uint8Array): number | undefined {
  if (head.length < 2) return undefined;
  const short = head[1]! & 0x7f;
  return 6 + (short < 126 ? 0 : short === 126 ? 2 : 8);
}

/** Takes the mask off bytes of the frame's payload, from `frame.read` on. */
function unmask(bytes: Uint8Array, { mask, read }: Frame, into: Uint8Array): void {
  if (!mask) return;
  const { length } = bytes;
  for (let i = 0, at = read & 3; i < length; i++, at = (at + 1) & 3) {
    into[i] = bytes[i]! ^ mask[at]!;
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
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
