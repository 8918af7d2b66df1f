/** Opens a client's WebSocket on our own server's connection, or with Deno under `Deno.serve`. */

import type { Context } from "hono";
import type { ClientSocket } from "../../broker/streams/ws_sink.ts";
import type { RequestInfo } from "./own_server.ts";
import { ProblemError } from "./problem.ts";

export interface WebSocketOptions {
  /** Longer messages are not read if the server can avoid it. */
  readonly maxMessageBytes: number;
  /** The client may send a lot: it is not read more slowly for that, and the handler limits it. */
  readonly isBulk?: boolean;
  onOpen(socket: ClientSocket): void;
  onMessage(data: unknown): void;
  /** A message exceeded the limit, and nothing more is read. */
  onTooBig(): void;
  /** The connection is gone. */
  onGone(): void;
}

/** A protocol ping goes out after half of this without a frame from the client. */
const IDLE_SECONDS = 40;
const POLICY_VIOLATION = 1008;

/** RFC 9110, 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

const preventDefault = (event: Event) => event.preventDefault();

/** @throws {ProblemError} 400 if the request is not a handshake. */
export function openWebSocket(c: Context, options: WebSocketOptions): Response {
  const { direct, mayUpgrade } = infoOf(c);
  if (!direct) {
    if (mayUpgrade === false) throw badUpgrade();
    return openByDeno(c, options);
  }
  const { maxMessageBytes, isBulk } = options;
  const socket = direct.upgrade(options, { protocol: protocolOf(c), maxMessageBytes, isBulk });
  if (!socket) throw badUpgrade();
  options.onOpen(socket);
  return new Response(null, { status: 101 });
}

export function infoOf(c: Context): Partial<RequestInfo> {
  return (c.env as { info?: RequestInfo } | undefined)?.info ?? {};
}

function openByDeno(c: Context, options: WebSocketOptions): Response {
  const { socket, response } = upgradeByDeno(c);
  socket.binaryType = "arraybuffer";
  // Listeners take less memory per client than handlers such as `onopen`.
  socket.addEventListener("open", () => options.onOpen(new DenoSocket(socket)), { once: true });
  socket.addEventListener("message", ({ data }) => options.onMessage(data));
  socket.addEventListener("close", () => options.onGone());
  // The close event reports what went wrong with a client's connection.
  socket.addEventListener("error", preventDefault);
  return response;
}

function upgradeByDeno(c: Context): Deno.WebSocketUpgrade {
  const protocol = protocolOf(c);
  try {
    return Deno.upgradeWebSocket(c.req.raw, {
      idleTimeout: IDLE_SECONDS,
      ...(protocol ? { protocol } : {}),
    });
  } catch {
    throw badUpgrade();
  }
}

/** The first subprotocol that the client offers. */
function protocolOf(c: Context): string | undefined {
  const first = c.req.header("sec-websocket-protocol")?.split(",")[0]?.trim();
  return first !== undefined && TOKEN.test(first) ? first : undefined;
}

function badUpgrade(): ProblemError {
  return new ProblemError({
    status: 400,
    code: "bad_upgrade",
    detail: "Not a WebSocket handshake: send a GET over HTTP/1.1 without a body, " +
      "with Connection: Upgrade and Sec-WebSocket-Key",
  });
}

/** If a frame arrives after `close`, Deno drops the socket before the code is written. */
const BEFORE_CLOSE_MS = 100;

class DenoSocket implements ClientSocket {
  #closing: ReturnType<typeof setTimeout> | undefined;
  #sent = 0;

  constructor(private readonly socket: WebSocket) {}

  get bufferedAmount(): number {
    return this.socket.bufferedAmount;
  }

  get taken(): number {
    return this.#sent - this.socket.bufferedAmount;
  }

  get isOpen(): boolean {
    return this.#closing === undefined && this.socket.readyState === WebSocket.OPEN;
  }

  send(text: string): void {
    const before = this.socket.bufferedAmount;
    this.socket.send(text);
    // In the unit of bufferedAmount; otherwise the difference would drift with each message.
    this.#sent += this.socket.bufferedAmount - before;
  }

  close(code: number, reason: string): void {
    if (!this.isOpen) return;
    this.#closing = setTimeout(() => this.socket.close(code, reason), BEFORE_CLOSE_MS);
    this.socket.addEventListener("close", () => clearTimeout(this.#closing), { once: true });
  }

  abandon(): void {
    this.close(POLICY_VIOLATION, "not read");
  }
}
