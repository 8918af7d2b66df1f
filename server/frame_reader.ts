/** Frames of the WebSocket protocol (RFC 6455, 5), as a server reads them. */

import { BINARY, CLOSE, PING, PONG, TEXT } from "../broker/streams/websocket_frame.ts";
import { Utf8Check } from "./utf8_check.ts";

export interface FrameHandler {
  /** A complete message, in one frame or several. */
  onMessage(data: string | ArrayBuffer): void;
  onPing(payload: Uint8Array): void;
  /** The client closes the connection; `code` is 1005 if it sent none. */
  onClose(code: number): void;
  /** The client violated the protocol: the connection must be closed with `code`. */
  onViolation(code: number, reason: string): void;
}

const PROTOCOL_ERROR = 1002;
const NOT_UTF8 = 1007;
const TOO_BIG = 1009;
const NO_CODE = 1005;
/** Frames of one message: empty ones take no memory, but time. */
const MAX_FRAMES = 1_024;
/** The first buffer for a message that arrives in pieces; it doubles each time it is full. */
const FIRST_BYTES = 512;
/** Two bytes, a length of eight, a mask of four. */
const MAX_HEADER = 14;
const NOTHING = new Uint8Array(0);
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Takes bytes as they arrive and reports what is complete; after a close or a violation, nothing.
 */
export class FrameReader {
  /** The start of an incomplete header. */
  #header: Uint8Array = NOTHING;
  /** The frame that is being read, once its header is known. */
  #isWithinFrame = false;
  #frameOpcode = 0;
  #isLast = false;
  /** Bytes of its payload still to come, and its mask, rotated to the next byte. */
  #left = 0;
  #mask = 0;
  /** The payload of a ping or a close received so far. */
  #control: Uint8Array = NOTHING;
  /** The incomplete message: its opcode (0 if there is none), its bytes and its frames. */
  #opcode = 0;
  #message: Uint8Array<ArrayBuffer> = NOTHING;
  #filled = 0;
  #frames = 0;
  #utf8: Utf8Check | undefined;
  #isOver = false;

  constructor(private readonly handler: FrameHandler, private readonly maxMessageBytes: number) {}

  /** Whether a frame or a message has begun and is incomplete. */
  get isWithin(): boolean {
    return this.#header.length > 0 || this.#isWithinFrame || this.#opcode !== 0;
  }

  /** The caller may reuse the bytes afterwards. */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && !this.#isOver;) {
      at += this.#isWithinFrame ? this.#readPayload(bytes, at) : this.#readHeader(bytes, at);
    }
  }

  // ---- headers

  /** Reads a header, or the available part of it; returns the number of bytes read. */
  #readHeader(bytes: Uint8Array, at: number): number {
    const before = this.#header.length;
    if (before === 0) {
      const length = this.#takeHeader(bytes, at);
      if (length === undefined) this.#header = bytes.slice(at);
      return length ?? bytes.length - at;
    }
    const joined = new Uint8Array(before + Math.min(MAX_HEADER, bytes.length - at));
    joined.set(this.#header);
    joined.set(bytes.subarray(at, at + joined.length - before), before);
    const length = this.#takeHeader(joined, 0);
    this.#header = length === undefined ? joined : NOTHING;
    return (length ?? joined.length) - before;
  }

  /**
   * Begins the frame whose header is at `at`; returns the header's length, undefined if incomplete.
   */
  #takeHeader(bytes: Uint8Array, at: number): number | undefined {
    const there = bytes.length - at;
    if (there < 2) return undefined;
    const first = bytes[at]!;
    const second = bytes[at + 1]!;
    if (!this.#isSound(first, second)) return there;
    const short = second & 0x7f;
    const extended = short < 126 ? 0 : short === 126 ? 2 : 8;
    if (there < 2 + extended + 4) return undefined;
    let length = extended === 0 ? short : 0;
    for (let i = 0; i < extended; i++) length = length * 256 + bytes[at + 2 + i]!;
    const opcode = first & 0x0f;
    if (!this.#isFitting(opcode, length, { extended, top: bytes[at + 2]! })) return there;
    const maskAt = at + 2 + extended;
    this.#mask = (bytes[maskAt]! << 24) | (bytes[maskAt + 1]! << 16) |
      (bytes[maskAt + 2]! << 8) | bytes[maskAt + 3]!;
    this.#isWithinFrame = true;
    this.#frameOpcode = opcode;
    this.#isLast = (first & 0x80) !== 0;
    this.#left = length;
    if (opcode < CLOSE && opcode !== 0) this.#opcode = opcode;
    if (length === 0) this.#end();
    return 2 + extended + 4;
  }

  /** Checks the first two bytes. */
  #isSound(first: number, second: number): boolean {
    const opcode = first & 0x0f;
    const isControl = opcode >= CLOSE;
    const isWhole = (first & 0x80) !== 0;
    if (first & 0x70) return this.#violation(PROTOCOL_ERROR, "no extension was negotiated");
    if (!(second & 0x80)) return this.#violation(PROTOCOL_ERROR, "client frames must be masked");
    if (isControl ? opcode > PONG : opcode > BINARY) {
      return this.#violation(PROTOCOL_ERROR, "unknown opcode");
    }
    if (isControl && ((second & 0x7f) > 125 || !isWhole)) {
      return this.#violation(PROTOCOL_ERROR, "control frames must be short and unfragmented");
    }
    if (!isControl && (opcode === 0) !== (this.#opcode !== 0)) {
      return this.#violation(PROTOCOL_ERROR, "unexpected continuation or new message");
    }
    return true;
  }

  /** Checks the length; `extended` bytes of it follow the first two. */
  #isFitting(
    opcode: number,
    length: number,
    { extended, top }: { extended: number; top: number },
  ): boolean {
    const fewest = extended === 0 ? 0 : extended === 2 ? 126 : 65_536;
    if (length < fewest || (extended === 8 && top >= 0x80)) {
      return this.#violation(PROTOCOL_ERROR, "length is not minimally encoded");
    }
    if (opcode >= CLOSE) return true;
    if (this.#filled + length > this.maxMessageBytes) {
      return this.#violation(TOO_BIG, "frame too big");
    }
    return ++this.#frames <= MAX_FRAMES || this.#violation(TOO_BIG, "too many fragments");
  }

  // ---- payloads

  /** Reads the available part of the frame's payload; returns its length. */
  #readPayload(bytes: Uint8Array, at: number): number {
    const taken = Math.min(this.#left, bytes.length - at);
    if (this.#frameOpcode !== PONG) this.#keep(bytes, at, taken);
    this.#left -= taken;
    if (this.#left === 0 && !this.#isOver) this.#end();
    return taken;
  }

  #keep(bytes: Uint8Array, at: number, count: number): void {
    if (this.#frameOpcode >= CLOSE) {
      const filled = this.#control.length;
      const control = new Uint8Array(filled + count);
      control.set(this.#control);
      this.#unmask(bytes, at, control.subarray(filled));
      this.#control = control;
      return;
    }
    const isWhole = this.#isLast && count === this.#left;
    this.#makeRoom(count, isWhole);
    const kept = this.#message.subarray(this.#filled, this.#filled + count);
    this.#unmask(bytes, at, kept);
    this.#filled += count;
    if (this.#opcode !== TEXT || (isWhole && this.#filled === count)) return;
    // Text that arrives in pieces is checked as it arrives.
    this.#utf8 ??= new Utf8Check();
    if (!this.#utf8.push(kept)) this.#violation(NOT_UTF8, "text is not valid UTF-8");
  }

  /** Unmasks as many bytes as fill `into`. */
  #unmask(bytes: Uint8Array, at: number, into: Uint8Array): void {
    let mask = this.#mask;
    for (let i = 0; i < into.length; i++) {
      into[i] = bytes[at + i]! ^ (mask >>> 24);
      mask = (mask << 8) | (mask >>> 24);
    }
    this.#mask = mask;
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

  #end(): void {
    this.#isWithinFrame = false;
    const opcode = this.#frameOpcode;
    if (opcode < CLOSE) {
      if (this.#isLast) this.#endMessage();
      return;
    }
    const payload = this.#control;
    this.#control = NOTHING;
    if (opcode === PING) this.handler.onPing(payload);
    else if (opcode === CLOSE) this.#close(payload);
  }

  #endMessage(): void {
    const opcode = this.#opcode;
    const isExact = this.#message.length === this.#filled;
    const bytes = isExact ? this.#message : this.#message.slice(0, this.#filled);
    this.#forget();
    if (opcode === BINARY) return this.handler.onMessage(bytes.buffer);
    const text = textOf(bytes);
    if (text === undefined) this.#violation(NOT_UTF8, "text is not valid UTF-8");
    else this.handler.onMessage(text);
  }

  #close(payload: Uint8Array): void {
    const code = payload.length < 2 ? NO_CODE : payload[0]! * 256 + payload[1]!;
    if (payload.length > 0 && !mayBeSent(code)) {
      this.#violation(PROTOCOL_ERROR, "invalid close code");
    } else if (textOf(payload.subarray(2)) === undefined) {
      this.#violation(NOT_UTF8, "close reason is not valid UTF-8");
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

/** Codes that a close frame may carry (RFC 6455, 7.4). */
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
