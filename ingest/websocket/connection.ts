/** One connection to an upstream WebSocket, from its handshake to its end. */

import type { Buffer } from "node:buffer";
import { WebSocket } from "ws";

export interface ConnectionOptions {
  readonly url: string;
  /** Time between pings; a server that does not answer within it counts as gone. */
  readonly pingMs: number;
  readonly onOpen: () => void;
  readonly onFrame: (bytes: Uint8Array) => void;
  /** Called once, however the connection ends. */
  readonly onEnd: (reason: string) => void;
}

const HANDSHAKE_MS = 10_000;
const CLOSE_MS = 1_000;
/** A larger frame ends the connection before it is in memory. Skipped frames may be this large. */
const MAX_FRAME_BYTES = 4_194_304;
/** Limit of answers that the server has not read. */
const MAX_BUFFERED_BYTES = 1_048_576;

export class Connection {
  readonly #socket: WebSocket;
  readonly #pinging: ReturnType<typeof setInterval>;
  #alive = true;
  #reason: string | undefined;
  #ended = false;

  constructor(private readonly options: ConnectionOptions) {
    const socket = this.#socket = new WebSocket(options.url, {
      maxPayload: MAX_FRAME_BYTES,
      perMessageDeflate: false,
      handshakeTimeout: HANDSHAKE_MS,
    });
    this.#pinging = setInterval(() => this.#ping(), options.pingMs);
    socket.on("open", () => options.onOpen());
    socket.on("message", (data: Buffer) => {
      this.#alive = true;
      options.onFrame(data);
    });
    socket.on("pong", () => this.#alive = true);
    socket.on("error", (error: Error & { code?: string }) => this.#reason ??= reasonOf(error));
    socket.on("close", (code: number) => this.#end(`the server closed with code ${code}`));
  }

  /** Stops reading until `until` resolves, so that TCP holds back the server. */
  async pause(until: Promise<void>): Promise<void> {
    if (this.#socket.isPaused) return;
    this.#socket.pause();
    await until;
    this.#alive = true;
    this.#socket.resume();
  }

  send(text: string): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    if (this.#socket.bufferedAmount > MAX_BUFFERED_BYTES) this.#give("does not read its answers");
    else this.#socket.send(text);
  }

  /** Closes the connection; resolves when it is gone. */
  async close(): Promise<void> {
    if (this.#ended) return;
    const gone = new Promise<void>((resolve) => this.#socket.once("close", () => resolve()));
    const timer = setTimeout(() => this.#socket.terminate(), CLOSE_MS);
    this.#socket.resume();
    this.#socket.close(1000);
    await gone;
    clearTimeout(timer);
  }

  #ping(): void {
    if (this.#socket.readyState !== WebSocket.OPEN || this.#socket.isPaused) return;
    if (!this.#alive) return this.#give("does not answer pings");
    this.#alive = false;
    this.#socket.ping();
  }

  #give(what: string): void {
    this.#reason ??= `the server ${what}`;
    this.#socket.terminate();
  }

  #end(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#pinging);
    this.options.onEnd(this.#reason ?? reason);
  }
}

const REASONS: Record<string, string> = {
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "the connection was reset",
  ENOTFOUND: "the host name is unknown",
  EAI_AGAIN: "the host name cannot be looked up now",
  ETIMEDOUT: "no answer",
  EHOSTUNREACH: "the host cannot be reached",
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: `a frame of more than ${MAX_FRAME_BYTES} bytes`,
};

/** Does not use the text of an error: it may contain the URL, and the URL a token. */
function reasonOf(error: Error & { code?: string }): string {
  if (error.code !== undefined && REASONS[error.code]) return REASONS[error.code]!;
  const status = /^Unexpected server response: (\d+)/.exec(error.message)?.[1];
  if (status) return `the server answered ${status}, not with a WebSocket`;
  if (/handshake has timed out/.test(error.message)) return "no answer to the handshake";
  if (/certificate|tls|ssl/i.test(error.message)) return "the server's certificate is not accepted";
  if (error.code?.startsWith("WS_ERR")) return "the server does not send valid WebSocket frames";
  if (/refused/i.test(error.message)) return REASONS.ECONNREFUSED!;
  return "the connection failed";
}
