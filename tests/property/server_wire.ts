/** A client's connection to our own server; the test plays both the system and the client. */

import type { Sink } from "../../broker/streams/sink.ts";
import { SseSink } from "../../broker/streams/sse_sink.ts";
import { CLOSE, PING, PONG, TEXT } from "../../broker/streams/websocket_frame.ts";
import { WsSink } from "../../broker/streams/ws_sink.ts";
import { Connection } from "../../server/connection.ts";
import { EventOutput } from "../../server/event_output.ts";
import { ServerWebSocket } from "../../server/web_socket.ts";
import { clientClose, clientFrame, concat } from "../kit/clients/client_frames.ts";
import { FakeConn } from "../kit/fake_conn.ts";
import { parseWsFrame } from "../kit/received.ts";
import { EventReader, type Stamp, type Wire, type WireOptions } from "./wire.ts";

/** About the size of a message on the wire. */
const FRAME_BYTES = 75;
/**
 * A byte counts as this many, so that two messages fill a socket and the tests need no megabytes.
 */
const SCALE = 8_000;
const BEAT_MS = 20_000;
const MAX_MESSAGE_BYTES = 65_536;
const HEAD = new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n");
const decoder = new TextDecoder();

/** Remembers what the server knew when it wrote bytes. */
class StampedConnection extends Connection {
  readonly #stamps: { readonly end: number; readonly stamp: Stamp }[] = [];

  constructor(conn: Deno.TcpConn, private readonly stamp: () => Stamp) {
    super(conn);
  }

  override write(bytes: Uint8Array): void {
    this.#stamps.push({
      end: this.taken + this.buffered + bytes.length,
      stamp: this.stamp(),
    });
    super.write(bytes);
  }

  /**
   * The stamp of the write that ends at or after this byte of the stream; to be called in order.
   */
  stampOf(end: number): Stamp {
    while (this.#stamps[0]!.end < end) this.#stamps.shift();
    return this.#stamps[0]!.stamp;
  }
}

class SmallWebSocket extends ServerWebSocket {
  override get bufferedAmount(): number {
    return super.bufferedAmount * SCALE;
  }
}

class SmallEventOutput extends EventOutput {
  override get buffered(): number {
    return super.buffered * SCALE;
  }
}

interface Piece {
  /** The opcode of a WebSocket frame; 0 for a chunk. */
  readonly opcode: number;
  readonly payload: Uint8Array;
  readonly bytes: number;
}

export class ServerWire implements Wire {
  readonly sink: Sink;
  readonly #fake = new FakeConn();
  readonly #connection: StampedConnection;
  readonly #events: EventReader;
  /** Bytes that arrived but do not complete a frame or chunk yet. */
  #rest: Uint8Array = new Uint8Array();
  #read = 0;

  constructor(transport: "ws" | "sse", private readonly options: WireOptions) {
    const connection = this.#connection = new StampedConnection(this.#fake.conn, options.stamp);
    this.#events = new EventReader(options);
    this.#fake.room = options.eager() ? Infinity : 0;
    if (transport === "ws") {
      this.#fake.onTaken = (bytes) => this.#take(bytes, nextFrame);
      const socket = new SmallWebSocket(connection, {
        onMessage: (data) => options.onCommand(data as string),
        onTooBig: () => {},
        onGone: options.onGone,
      }, MAX_MESSAGE_BYTES);
      this.sink = new WsSink(socket);
      void this.#followSocket(socket);
    } else {
      let head = HEAD.length;
      this.#fake.room += head;
      this.#fake.onTaken = (bytes) => {
        const skipped = Math.min(head, bytes.length);
        head -= skipped;
        this.#read += skipped;
        this.#take(bytes.subarray(skipped), nextChunk);
      };
      const output = new SmallEventOutput(connection, options.onGone);
      output.start(HEAD);
      this.sink = new SseSink(output);
      void this.#followEvents(output);
    }
  }

  send(command: string): void {
    this.#fake.send(clientFrame(TEXT, command));
  }

  read(frames: number): void {
    this.#fake.room += frames * FRAME_BYTES;
  }

  cut(): void {
    this.#fake.reset();
    this.#connection.close();
  }

  #take(bytes: Uint8Array, next: (bytes: Uint8Array) => Piece | undefined): void {
    let rest: Uint8Array = concat(this.#rest, bytes);
    for (let piece = next(rest); piece; piece = next(rest)) {
      rest = rest.subarray(piece.bytes);
      this.#read += piece.bytes;
      this.#rest = rest;
      this.#came(piece, this.#connection.stampOf(this.#read));
    }
    this.#rest = rest;
  }

  #came({ opcode, payload }: Piece, stamp: Stamp): void {
    if (opcode === TEXT) {
      this.options.onEvent({ ...parseWsFrame(decoder.decode(payload)), ...stamp });
    } else if (opcode === PING) this.#fake.send(clientFrame(PONG, payload));
    else if (opcode === CLOSE) {
      this.#fake.send(clientClose(1000));
      this.#fake.endSending();
    } else if (payload.length > 0) this.#events.push(decoder.decode(payload), stamp);
    else this.#fake.endSending();
  }

  /** Like StreamServer. */
  async #followSocket(socket: ServerWebSocket): Promise<void> {
    const beats = setInterval(() => socket.beat(), BEAT_MS);
    const bytes = new Uint8Array(1_024);
    for (let length; (length = await this.#connection.read(bytes)) !== undefined;) {
      socket.receive(bytes.subarray(0, length));
    }
    this.#connection.end();
    await this.#connection.closed;
    clearInterval(beats);
  }

  async #followEvents(output: EventOutput): Promise<void> {
    while (await this.#connection.read(new Uint8Array(1_024)) !== undefined);
    await output.outlivePeer();
  }
}

/** A frame of a server, with a length of at most two bytes. */
function nextFrame(bytes: Uint8Array): Piece | undefined {
  if (bytes.length < 4 && !(bytes.length >= 2 && bytes[1]! < 126)) return undefined;
  const short = bytes[1]!;
  const start = short < 126 ? 2 : 4;
  const length = short < 126 ? short : bytes[2]! * 256 + bytes[3]!;
  const end = start + length;
  if (bytes.length < end) return undefined;
  return { opcode: bytes[0]! & 0x0f, payload: bytes.slice(start, end), bytes: end };
}

function nextChunk(bytes: Uint8Array): Piece | undefined {
  const line = bytes.indexOf(10);
  if (line < 0) return undefined;
  const start = line + 1;
  const end = start + parseInt(decoder.decode(bytes.subarray(0, line)), 16);
  if (bytes.length < end + 2) return undefined;
  return { opcode: 0, payload: bytes.slice(start, end), bytes: end + 2 };
}
