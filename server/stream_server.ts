/** The server: answers streams itself, and leaves every other request to Deno's. */

import { Wheel } from "../broker/wheel.ts";
import { getLogger } from "../log.ts";
import { closed } from "../metrics.ts";
import { closeConn, Connection } from "./connection.ts";
import { DirectRequest, type RequestInfo } from "./direct_request.ts";
import type { EventOutput } from "./event_output.ts";
import { LastingServer } from "./lasting_server.ts";
import { passOn } from "./passage.ts";
import { endOfHead, MAX_HEAD_BYTES, parseHead, type RequestHead } from "./request_head.ts";
import { responseHead } from "./response_head.ts";
import type { ServerWebSocket } from "./web_socket.ts";

const log = getLogger("http");

export type Handler = (request: Request, info: RequestInfo) => Response | Promise<Response>;

export interface StreamServerOptions {
  readonly hostname: string;
  readonly port: number;
  /** Several threads listen on the same port. */
  readonly reusePort?: boolean;
  /** The path of the streams. */
  readonly path: string;
  /** What a client gets to send the head of its request. */
  readonly headMs: number;
  readonly onError: (error: unknown) => Response;
  /** The client behind a connection from a port of loopback, where a proxy of ours is before this. */
  readonly peer?: (port: number) => string | undefined;
}

const HEAD_BYTES = 2_048;
const READ_BYTES = 1_024;
const PING_SECONDS = 20;
/** How long nobody is accepted where no file descriptor is left. */
const AGAIN_MS = 250;
const TOLD_EVERY_MS = 10_000;
const INTERNAL_ERROR = 1011;
const decoder = new TextDecoder();

/**
 * Deno's server takes a system call for each frame of a WebSocket, and memory for each stream. So a
 * plain GET of a stream is answered on its connection; every connection that begins otherwise is
 * passed on to `Deno.serve`, which listens on loopback.
 */
export class StreamServer {
  readonly addr: Deno.NetAddr;
  readonly #listener: Deno.TcpListener;
  readonly #others: LastingServer;
  /** Clients by the port from which they are passed on. */
  readonly #passedOn = new Map<number, string>();
  /** Connections whose request is answered here. */
  #open = 0;
  readonly #heads = new Set<Deno.TcpConn>();
  readonly #beats = new Wheel<ServerWebSocket>(PING_SECONDS, (socket) => socket.beat());
  readonly #ticker: ReturnType<typeof setInterval>;
  #stopping: PromiseWithResolvers<void> | undefined;
  #toldAt = -Infinity;

  /** @throws where the port may not be listened on. */
  constructor(private readonly options: StreamServerOptions, private readonly handler: Handler) {
    const { hostname, port, reusePort = false, onError } = options;
    this.#listener = Deno.listen({ hostname, port, reusePort });
    this.addr = this.#listener.addr as Deno.NetAddr;
    this.#others = new LastingServer(
      {
        hostname: "127.0.0.1",
        port: 0,
        onError,
        onFailed: (error) => this.#outOfDescriptors(error),
      },
      (request, info) => this.#passed(request, info),
    );
    this.#ticker = setInterval(() => this.#beats.turn(), 1000);
    this.#accept();
  }

  /** Takes no new connections, and resolves when those that are open have ended. */
  async shutdown(): Promise<void> {
    this.#stopping = Promise.withResolvers();
    this.#listener.close();
    for (const conn of this.#heads) closeConn(conn);
    if (this.#open === 0) this.#stopping.resolve();
    await Promise.all([this.#stopping.promise, this.#others.shutdown()]);
    clearInterval(this.#ticker);
  }

  async #accept(): Promise<void> {
    while (!this.#stopping) {
      try {
        const conn = await this.#listener.accept();
        this.#serve(conn).catch((error) => {
          closeConn(conn);
          log.error("a connection failed: {error}", { error });
        });
      } catch (error) {
        if (this.#stopping) return;
        this.#outOfDescriptors(error);
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  }

  async #serve(conn: Deno.TcpConn): Promise<void> {
    const begun = await this.#readHead(conn);
    if (!begun) return;
    const { bytes, head, length } = begun;
    if (!head) return await this.#pass(conn, bytes);
    this.#open++;
    const stream = await this.#answer(conn, head).catch((error) => {
      closeConn(conn);
      log.error("a connection failed: {error}", { error });
    });
    // Not awaited: what belongs to the request alone is let go of.
    if (stream) this.#follow(stream, bytes.slice(length));
    else this.#left();
  }

  /** What the client sent first; closes the connection where it sends nothing in time. */
  async #readHead(
    conn: Deno.TcpConn,
  ): Promise<{ bytes: Uint8Array; head?: RequestHead | undefined; length: number } | undefined> {
    const { headMs, path } = this.options;
    this.#heads.add(conn);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      closed.count("handshake_timeout");
      conn.close();
    }, headMs);
    try {
      conn.setNoDelay(true);
      const begin = `GET ${path}`;
      let buffer = new Uint8Array(HEAD_BYTES);
      for (let filled = 0; filled < MAX_HEAD_BYTES;) {
        if (filled === buffer.length) buffer = longer(buffer);
        const read = await conn.read(buffer.subarray(filled));
        if (read === null) break;
        const bytes = buffer.subarray(0, filled + read);
        if (!mayBegin(bytes, begin)) return { bytes, length: 0 };
        const length = endOfHead(bytes, Math.max(0, filled - 3));
        filled += read;
        if (length !== undefined) {
          const text = decoder.decode(bytes.subarray(0, length));
          return { bytes, length, head: parseHead(text, path) };
        }
        if (filled >= MAX_HEAD_BYTES) return { bytes, length: 0 };
      }
    } catch {
      // The client is gone, was late, or the server stops.
    } finally {
      clearTimeout(timer);
      this.#heads.delete(conn);
    }
    if (!late) closeConn(conn);
    return undefined;
  }

  async #pass(conn: Deno.TcpConn, first: Uint8Array): Promise<void> {
    let inner: Deno.TcpConn;
    try {
      inner = await Deno.connect({ hostname: "127.0.0.1", port: this.#others.addr.port });
    } catch (error) {
      closeConn(conn);
      if (!this.#stopping) this.#outOfDescriptors(error);
      return;
    }
    const { port } = inner.localAddr as Deno.NetAddr;
    this.#passedOn.set(port, this.#clientOf(conn).hostname);
    await passOn(conn, inner, first);
    this.#passedOn.delete(port);
  }

  #passed(request: Request, info: Deno.ServeHandlerInfo): Response | Promise<Response> {
    const from = info.remoteAddr as Deno.NetAddr;
    const hostname = this.#passedOn.get(from.port);
    if (hostname === undefined) return this.handler(request, info);
    return this.handler(request, {
      remoteAddr: { ...from, hostname },
      // Once looked at, it rejects where a client leaves early.
      get completed() {
        return info.completed;
      },
    });
  }

  /** Answers a request for a stream; the stream, where it got one. */
  async #answer(conn: Deno.TcpConn, head: RequestHead): Promise<Stream | undefined> {
    const connection = new Connection(conn);
    const direct = new DirectRequest(connection, head);
    const info = { remoteAddr: this.#clientOf(conn), completed: Promise.resolve(), direct };
    let response: Response;
    try {
      const url = `http://${head.host}${head.target}`;
      response = await this.handler(new Request(url, { headers: head.headers }), info);
    } catch (error) {
      response = this.options.onError(error);
    }
    const { events, socket } = direct;
    if (socket) {
      if (response.status !== 101) socket.close(INTERNAL_ERROR, "");
    } else if (events && response.ok) {
      events.start(responseHead(response, { "transfer-encoding": "chunked", connection: "close" }));
    } else {
      const body = new Uint8Array(await response.arrayBuffer());
      const framing = { "content-length": String(body.length), connection: "close" };
      connection.write(responseHead(response, framing));
      connection.write(body);
      connection.end();
    }
    if (!connection.over || socket) return { connection, events, socket };
    await connection.closed;
    return undefined;
  }

  /** Reads what the client of a stream sends, until one of both ends it. */
  async #follow({ connection, events, socket }: Stream, first: Uint8Array): Promise<void> {
    if (socket) this.#beats.add(socket);
    socket?.receive(first);
    const bytes = new Uint8Array(READ_BYTES);
    for (let length; (length = await connection.read(bytes)) !== undefined;) {
      socket?.receive(bytes.subarray(0, length));
    }
    // The client has closed its sending side: of events it may still be a reader.
    if (events) await events.outlivePeer();
    else connection.end();
    await connection.closed;
    if (socket) this.#beats.delete(socket);
    this.#left();
  }

  #left(): void {
    if (--this.#open === 0) this.#stopping?.resolve();
  }

  #clientOf(conn: Deno.TcpConn): Deno.NetAddr {
    const from = conn.remoteAddr as Deno.NetAddr;
    return { ...from, hostname: this.options.peer?.(from.port) ?? from.hostname };
  }

  #outOfDescriptors(error: unknown): void {
    const now = performance.now();
    if (now - this.#toldAt < TOLD_EVERY_MS) return;
    this.#toldAt = now;
    log.error(
      "no new connections: {error}; raise the limit of open files (ulimit -n, LimitNOFILE)",
      { error },
    );
  }
}

interface Stream {
  readonly connection: Connection;
  readonly events: EventOutput | undefined;
  readonly socket: ServerWebSocket | undefined;
}

function mayBegin(bytes: Uint8Array, begin: string): boolean {
  const length = Math.min(bytes.length, begin.length);
  for (let i = 0; i < length; i++) if (bytes[i] !== begin.charCodeAt(i)) return false;
  return true;
}

function longer(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const twice = new Uint8Array(bytes.length * 2);
  twice.set(bytes);
  return twice;
}
