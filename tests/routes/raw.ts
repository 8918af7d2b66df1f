/** Raw HTTP, for what fetch() and WebSocket do not send or show. */

import { concat as concatAll } from "../../lib/bytes.ts";
import { type Address, connect } from "../kit/clients/connect.ts";
import { within } from "../kit/eventually.ts";

/** A connection on which a test writes every byte itself. */
export class RawConnection implements AsyncDisposable {
  #bytes = new Uint8Array();
  #ended = false;
  #closed = false;

  private constructor(private readonly conn: Deno.Conn) {}

  static async open(to: number | Address): Promise<RawConnection> {
    return new RawConnection(await connect(typeof to === "number" ? { port: to } : to));
  }

  /** Sends a request without a body; `lines` are its headers besides Host. */
  async request(target: string, lines: readonly string[] = [], method = "GET"): Promise<void> {
    const head = [`${method} ${target} HTTP/1.1`, "Host: 127.0.0.1", ...lines];
    await this.write(new TextEncoder().encode(head.join("\r\n") + "\r\n\r\n"));
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) sent += await this.conn.write(bytes.subarray(sent));
  }

  /** Reads the head of the answer: its status, and its headers by lower-case name. */
  async head(): Promise<{ status: number; headers: Headers }> {
    const text = await this.readUntil((bytes) => {
      const end = new TextDecoder("latin1").decode(bytes).indexOf("\r\n\r\n");
      return end < 0 ? undefined : end + 4;
    });
    const [first, ...lines] = new TextDecoder("latin1").decode(text).trimEnd().split("\r\n");
    const headers = new Headers();
    for (const line of lines) {
      const colon = line.indexOf(":");
      headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
    }
    return { status: Number(first!.split(" ")[1]), headers };
  }

  /** The next `length` bytes. */
  bytes(length: number): Promise<Uint8Array> {
    return this.readUntil((bytes) => bytes.length < length ? undefined : length);
  }

  /** Closes the sending side; reading continues. */
  async closeWrite(): Promise<void> {
    await this.conn.closeWrite();
  }

  /** The next WebSocket frame, unmasked, as servers send it; undefined at the end. */
  async frame(): Promise<{ opcode: number; payload: Uint8Array } | undefined> {
    const head = await this.readUntil((bytes) => {
      if (bytes.length < 2) return undefined;
      const short = bytes[1]! & 0x7f;
      const start = short === 126 ? 4 : short === 127 ? 10 : 2;
      return bytes.length < start ? undefined : start;
    }).catch(() => undefined);
    if (!head) return undefined;
    const view = new DataView(head.buffer, head.byteOffset, head.length);
    const length = head.length === 4
      ? view.getUint16(2)
      : head.length === 10
      ? Number(view.getBigUint64(2))
      : head[1]! & 0x7f;
    const payload = length === 0
      ? new Uint8Array()
      : await this.readUntil((bytes) => bytes.length < length ? undefined : length);
    return { opcode: head[0]! & 0x0f, payload };
  }

  /** The code of the server's close frame, 1005 if it has none; other frames are skipped. */
  async closeCode(): Promise<number | undefined> {
    for (let frame = await this.frame(); frame; frame = await this.frame()) {
      if (frame.opcode !== 8) continue;
      const { buffer, byteOffset, length } = frame.payload;
      return length < 2 ? 1005 : new DataView(buffer, byteOffset).getUint16(0);
    }
    return undefined;
  }

  /** Resolves at the pong of a ping; frames before it are skipped. */
  async pong(text: string): Promise<void> {
    for (;;) {
      const frame = await this.frame();
      if (!frame) throw new Error("The server closed the connection");
      if (frame.opcode === 10 && new TextDecoder().decode(frame.payload) === text) return;
    }
  }

  /** Resolves when the server has closed, with what it sent before. */
  async end(): Promise<string> {
    await this.readUntil(() => undefined).catch(() => {});
    return new TextDecoder().decode(this.#bytes);
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (!this.#closed) this.conn.close();
    this.#closed = true;
    return Promise.resolve();
  }

  /** Removes and returns as many bytes as `complete` says, once it does. */
  private async readUntil(
    complete: (bytes: Uint8Array) => number | undefined,
  ): Promise<Uint8Array> {
    for (;;) {
      const length = complete(this.#bytes);
      if (length !== undefined) {
        const taken = this.#bytes.slice(0, length);
        this.#bytes = this.#bytes.slice(length);
        return taken;
      }
      if (this.#ended) throw new Error("The server closed the connection");
      const buffer = new Uint8Array(65_536);
      const count = await within("bytes from the server", this.conn.read(buffer))
        .catch((error) => {
          if (error instanceof Deno.errors.ConnectionReset) return null;
          throw error;
        });
      if (count === null) this.#ended = true;
      else this.#bytes = concat(this.#bytes, buffer.subarray(0, count));
    }
  }
}

/** Headers of a WebSocket handshake. */
export const HANDSHAKE: readonly string[] = [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

export interface FrameOptions {
  readonly opcode?: number;
  readonly fin?: boolean;
  /** Declared instead of the payload's own length. */
  readonly length?: number;
  /** Reserved bits, 0 to 7. */
  readonly rsv?: number;
}

/** A WebSocket frame as a client sends it; its mask is all zeros. */
export function frame(
  payload: string | Uint8Array,
  { opcode = 1, fin = true, length, rsv = 0 }: FrameOptions = {},
): Uint8Array {
  const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
  const declared = length ?? bytes.length;
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  const mask = 0x80;
  const size = declared < 126
    ? [mask | declared]
    : declared < 65_536
    ? [mask | 126, declared >> 8, declared & 255]
    : [mask | 127, ...new Uint8Array(new BigUint64Array([BigInt(declared)]).buffer).reverse()];
  return concat(new Uint8Array([first, ...size, 0, 0, 0, 0]), bytes);
}

export function closeFrame(code: number, reason = ""): Uint8Array {
  const payload = new Uint8Array([code >> 8, code & 255]);
  return frame(concat(payload, new TextEncoder().encode(reason)), { opcode: 8 });
}

export const concat = (...parts: readonly Uint8Array[]) => concatAll(parts);
