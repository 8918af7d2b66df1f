/** A WebSocket client that records every frame. */

import { within } from "../eventually.ts";
import { parseWsFrame, type Received } from "../received.ts";
import { Recorder, type WaitOptions } from "../recorder.ts";

export interface WsClientOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly protocols?: readonly string[];
  /** For servers whose certificate this machine does not trust. */
  readonly client?: Deno.HttpClient | undefined;
  /** Called with every frame instead of recording it, for clients that see millions. */
  readonly onFrame?: (text: string) => void;
  readonly timeoutMs?: number;
}

/** Deno's constructor: when page code is checked too, TypeScript knows only the browser's. */
const Socket = WebSocket as unknown as new (
  url: string,
  options: { headers?: Record<string, string>; protocols?: string[]; client?: Deno.HttpClient },
) => WebSocket;

export class WsClient implements AsyncDisposable {
  /** Frames, raw. */
  readonly frames: Recorder<string>;
  /** The same frames, parsed. */
  readonly events: Recorder<Received>;
  readonly closed: Promise<{ code: number; reason: string }>;
  closeCode: number | undefined;
  /** The last cursor seen. */
  lastId: string | undefined;
  readonly #socket: WebSocket;
  readonly #opened: Promise<void>;

  private constructor(readonly url: string, options: WsClientOptions) {
    this.frames = new Recorder(`WebSocket ${url}`, (frame) => frame);
    this.events = new Recorder(`WebSocket ${url}`);
    this.#socket = new Socket(url, {
      ...(options.headers && { headers: { ...options.headers } }),
      ...(options.protocols && { protocols: [...options.protocols] }),
      ...(options.client && { client: options.client }),
    });
    const opened = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<{ code: number; reason: string }>();
    this.#opened = opened.promise;
    this.closed = closed.promise;
    this.#socket.onopen = () => opened.resolve();
    this.#socket.onerror = (event) => {
      opened.reject(new Error(`${url}: ${(event as ErrorEvent).message ?? "failed"}`));
    };
    this.#socket.onclose = ({ code, reason }) => {
      this.closeCode = code;
      opened.reject(new Error(`${url}: closed with ${code} ${reason}`));
      closed.resolve({ code, reason });
      this.frames.wake();
      this.events.wake();
    };
    this.#socket.onmessage = ({ data }) => this.#frame(String(data), options.onFrame);
    this.#opened.catch(() => {});
  }

  /** Connects; rejects if the server refuses the upgrade. */
  static async open(url: string, options: WsClientOptions = {}): Promise<WsClient> {
    const client = new WsClient(url, options);
    try {
      await within(`${url} open`, client.#opened, options.timeoutMs);
    } catch (error) {
      await client[Symbol.asyncDispose]();
      throw error;
    }
    return client;
  }

  get protocol(): string {
    return this.#socket.protocol;
  }

  /** Payloads of the messages so far, as text. */
  get payloads(): string[] {
    return this.events.items.filter(({ event }) => event === "message").map(({ data }) => data);
  }

  waitFor(
    predicate: (event: Received, index: number) => boolean,
    options?: WaitOptions,
  ): Promise<Received> {
    return this.events.waitFor(predicate, options);
  }

  waitForEvent(name: string, options?: WaitOptions): Promise<Received> {
    return this.events.waitFor(({ event }) => event === name, options);
  }

  waitForMessages(count: number, timeoutMs?: number): Promise<Received[]> {
    return this.events.waitForCount(count, ({ event }) => event === "message", timeoutMs);
  }

  /** Sends a command: a string unchanged, anything else as JSON. */
  send(command: unknown): void {
    this.#socket.send(typeof command === "string" ? command : JSON.stringify(command));
  }

  sendBytes(bytes: Uint8Array<ArrayBuffer>): void {
    this.#socket.send(bytes);
  }

  waitForClose(timeoutMs?: number): Promise<{ code: number; reason: string }> {
    return within(`${this.url} close`, this.closed, timeoutMs);
  }

  async close(code = 1000): Promise<void> {
    if (this.#socket.readyState < WebSocket.CLOSING) this.#socket.close(code);
    await this.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#socket.readyState < WebSocket.CLOSING) this.#socket.close();
    await within(`${this.url} close`, this.closed, 5_000).catch(() => {});
  }

  #frame(text: string, onFrame: ((text: string) => void) | undefined): void {
    if (onFrame) return onFrame(text);
    this.frames.add(text);
    const event = parseWsFrame(text);
    if (event.id !== undefined) this.lastId = event.id;
    this.events.add(event);
  }
}
