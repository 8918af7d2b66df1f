/** A client on a raw socket that reads only when `read()` is called. */

import { concat } from "../../routes/raw.ts";
import { type Address, connect } from "./connect.ts";
import { parseWsFrame, type Received, SseParser } from "../received.ts";

export interface SlowClientOptions extends Address {
  readonly transport: "ws" | "sse";
  /** Without the question mark. */
  readonly query: string;
}

export class SlowClient implements AsyncDisposable {
  /** Includes events that arrived together with the answer's head. */
  readonly events: Received[] = [];
  #closed = false;
  readonly #chunks: (bytes: Uint8Array) => Uint8Array[];
  readonly #sse = new SseParser();
  readonly #text = new TextDecoder();
  readonly #frames = new FrameSplitter();

  private constructor(
    private readonly conn: Deno.Conn,
    private readonly transport: "ws" | "sse",
    rest: Uint8Array,
  ) {
    const chunked = new ChunkSplitter();
    this.#chunks = transport === "sse" ? (bytes) => chunked.push(bytes) : (bytes) => [bytes];
    this.#take(rest);
  }

  /** Connects, reads the answer's head, and then stops reading. */
  static async open(options: SlowClientOptions): Promise<SlowClient> {
    const { port, transport, query } = options;
    const conn = await connect(options);
    const upgrade = [
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGVsZWNhc3QgaXMgaGVyZQ==",
    ];
    const lines = [
      `GET /api/v1/stream?${query} HTTP/1.1`,
      `Host: 127.0.0.1:${port}`,
      ...(transport === "ws" ? upgrade : ["Accept: text/event-stream"]),
    ];
    await conn.write(new TextEncoder().encode(lines.join("\r\n") + "\r\n\r\n"));
    let head = new Uint8Array();
    while (true) {
      const end = indexOfHeadEnd(head);
      if (end >= 0) {
        const status = new TextDecoder().decode(head.subarray(0, end)).split("\r\n")[0]!;
        if (!status.includes(transport === "ws" ? " 101 " : " 200 ")) {
          conn.close();
          throw new Error(`The stream answered ${status}`);
        }
        return new SlowClient(conn, transport, head.subarray(end + 4));
      }
      const bytes = await readSome(conn);
      if (!bytes) throw new Error("The stream ended within the answer's head");
      head = concat(head, bytes);
    }
  }

  /** Reads until `done` returns true or the server closes; fails after `quietMs` of silence. */
  async read(done: (events: readonly Received[]) => boolean, quietMs = 10_000): Promise<void> {
    while (!done(this.events)) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const quiet = new Promise<"quiet">((resolve) => {
        timer = setTimeout(() => resolve("quiet"), quietMs);
      });
      const bytes = await Promise.race([readSome(this.conn), quiet]);
      clearTimeout(timer);
      if (bytes === "quiet") throw new Error(`The stream was silent for ${quietMs} ms`);
      if (!bytes) return;
      this.#take(bytes);
    }
  }

  /** If bytes are still unread, the server sees a reset instead of an orderly end. */
  [Symbol.asyncDispose](): Promise<void> {
    if (!this.#closed) this.conn.close();
    this.#closed = true;
    return Promise.resolve();
  }

  #take(bytes: Uint8Array): void {
    for (const chunk of this.#chunks(bytes)) {
      if (this.transport === "sse") {
        this.events.push(...this.#sse.push(this.#text.decode(chunk, { stream: true })));
      } else {
        for (const text of this.#frames.push(chunk)) this.events.push(parseWsFrame(text));
      }
    }
  }
}

/** Parses a server's frames: unmasked, not fragmented. */
export class FrameSplitter {
  #rest: Uint8Array = new Uint8Array();

  /** The text frames that `bytes` completes; control frames are skipped. */
  push(bytes: Uint8Array): string[] {
    let rest = concat(this.#rest, bytes);
    const texts: string[] = [];
    for (let frame = firstFrame(rest); frame; frame = firstFrame(rest)) {
      if (frame.opcode === 1) texts.push(new TextDecoder().decode(frame.payload));
      rest = rest.subarray(frame.bytes);
    }
    this.#rest = rest.slice();
    return texts;
  }
}

function firstFrame(bytes: Uint8Array) {
  if (bytes.length < 2) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let length = bytes[1]! & 0x7f;
  const start = length === 126 ? 4 : length === 127 ? 10 : 2;
  if (bytes.length < start) return undefined;
  if (length === 126) length = view.getUint16(2);
  else if (length === 127) length = Number(view.getBigUint64(2));
  const end = start + length;
  if (bytes.length < end) return undefined;
  return { opcode: bytes[0]! & 0x0f, payload: bytes.subarray(start, end), bytes: end };
}

/** Decodes HTTP's chunked encoding. */
class ChunkSplitter {
  #rest: Uint8Array = new Uint8Array();

  push(bytes: Uint8Array): Uint8Array[] {
    let rest = concat(this.#rest, bytes);
    const chunks: Uint8Array[] = [];
    while (true) {
      const line = rest.indexOf(10);
      if (line < 0) break;
      const length = parseInt(new TextDecoder().decode(rest.subarray(0, line)), 16);
      const end = line + 1 + length;
      if (rest.length < end + 2) break;
      chunks.push(rest.slice(line + 1, end));
      rest = rest.subarray(end + 2);
    }
    this.#rest = rest.slice();
    return chunks;
  }
}

async function readSome(conn: Deno.Conn): Promise<Uint8Array | undefined> {
  const buffer = new Uint8Array(65_536);
  const count = await conn.read(buffer).catch(() => null);
  return count === null ? undefined : buffer.subarray(0, count);
}

function indexOfHeadEnd(bytes: Uint8Array): number {
  for (let i = 0; i + 3 < bytes.length; i++) {
    if (bytes[i] === 13 && bytes[i + 1] === 10 && bytes[i + 2] === 13 && bytes[i + 3] === 10) {
      return i;
    }
  }
  return -1;
}
