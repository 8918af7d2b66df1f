/** The connection between a client and its session on an instance. */

import type { Sink } from "../../broker/streams/sink.ts";
import { SseSink } from "../../broker/streams/sse_sink.ts";
import { WsSink } from "../../broker/streams/ws_sink.ts";
import { StreamBody } from "../../routes/streams/stream_body.ts";
import { parseWsFrame, type Received, SseParser } from "../kit/received.ts";
import { ClientSocket } from "./client_socket.ts";

/** What the server knew when it wrote. */
export interface Stamp {
  /** The instance's position. */
  readonly position: number;
  readonly sentAt: number;
}

export interface WireOptions {
  /** Whether the client reads at once. */
  readonly eager: () => boolean;
  readonly stamp: () => Stamp;
  readonly onEvent: (event: Received & Stamp) => void;
  /** SSE: the position at the start of the stream; undefined if it sends none. */
  readonly onBegin: (id: string | undefined) => void;
  readonly onCommand: (text: string) => void;
  /** The connection is gone, no matter which side ended it. */
  readonly onGone: () => void;
}

export interface Wire {
  readonly sink: Sink;
  /** The client sends a command, on a WebSocket. */
  send(command: string): void;
  /** The client reads about this many frames; with `Infinity`, everything from now on. */
  read(frames: number): void;
  /** The network breaks: what was not read is gone. */
  cut(): void;
}

/** Parses an event stream as its text arrives. */
export class EventReader {
  readonly #parser = new SseParser();
  #isFirst = true;

  constructor(private readonly options: WireOptions) {}

  push(text: string, stamp: Stamp): void {
    const id = /^retry: 3000\n(?:id: (\S+)\nevent: ping\ndata: \{"type":"keep-alive"\}\n\n)?/.exec(
      text,
    )?.[1];
    if (this.#isFirst) this.options.onBegin(id);
    this.#isFirst = false;
    for (const event of this.#parser.push(text)) this.options.onEvent({ ...event, ...stamp });
  }
}

/** Deno's own WebSocket. */
export class FallbackSocket implements Wire {
  readonly sink: Sink;
  readonly #socket: ClientSocket;

  constructor(private readonly options: WireOptions) {
    this.#socket = new ClientSocket({
      eager: options.eager,
      stamp: (text) => ({ text, ...options.stamp() }),
      onFrame: ({ text, ...stamp }) => options.onEvent({ ...parseWsFrame(text), ...stamp }),
      onClosed: options.onGone,
    });
    this.sink = new WsSink(this.#socket);
  }

  send(command: string): void {
    this.options.onCommand(command);
  }

  read(frames: number): void {
    this.#socket.read(frames);
  }

  cut(): void {
    this.#socket.cut();
    this.options.onGone();
  }
}

/** An event stream served by Deno; its client reads at once. */
export class FallbackEvents implements Wire {
  readonly sink: Sink;
  #isCut = false;

  constructor(private readonly options: WireOptions) {
    const body = new StreamBody(() => options.onGone());
    this.sink = new SseSink(body);
    void this.#read(body);
  }

  send(): void {}

  read(): void {}

  cut(): void {
    this.#isCut = true;
    this.options.onGone();
  }

  async #read({ stream }: StreamBody): Promise<void> {
    const reader = new EventReader(this.options);
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      if (this.#isCut) return;
      reader.push(decoder.decode(bytes, { stream: true }), this.options.stamp());
    }
    if (!this.#isCut) this.options.onGone();
  }
}
