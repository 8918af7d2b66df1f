/**
 * The server: HTTP/1 and its streams. HTTP/2 is left to Deno's server.
 *
 * The server room: connections, threads, and the guard in guard/. It may import everything; only
 * main.ts and serve.ts import it.
 */

import { logFault } from "../telemetry/fault.ts";
import { StartScheduler } from "../broker/streams/start_scheduler.ts";
import { TimingWheel } from "../broker/streams/timing_wheel.ts";
import { getLogger } from "../telemetry/log.ts";
import { closed } from "../telemetry/metrics.ts";
import { problem } from "../routes/http/problem.ts";
import { closeConn, Connection } from "./connection.ts";
import type { Handler, Stream } from "./exchange.ts";
import { HttpConnection, type HttpOptions, type Outcome } from "./http_connection.ts";
import { RestartingServer } from "./restarting_server.ts";
import { type OpenSocket, OpenSockets } from "./guard/open_sockets.ts";
import { pipe } from "./pipe.ts";
import { ServerWebSocket } from "./web_socket.ts";

export type { Handler };

const log = getLogger("http");

export interface StreamServerOptions {
  readonly hostname: string;
  readonly port: number;
  /** Several threads listen on the same port. */
  readonly reusePort?: boolean;
  readonly onError: (error: unknown) => Response;
  /** The client's address behind a loopback port, if the guard is in front of this server. */
  readonly peer?: (port: number) => string | undefined;
  readonly limits?: Partial<ServerLimits>;
}

export interface ServerLimits {
  /** Time for the head of a request. */
  readonly headMs: number;
  /** Time between two requests. */
  readonly idleMs: number;
  /** How long a client may read nothing of an answer; streams have their own check. */
  readonly writeMs: number;
  /** Request line and headers together. */
  readonly maxHeadBytes: number;
  /** Connections of any kind. */
  readonly maxSockets: number;
  /** No limit unless given. */
  readonly maxSocketsPerAddress: number | undefined;
}

const DEFAULTS: ServerLimits = {
  headMs: 10_000,
  idleMs: 75_000,
  writeMs: 60_000,
  maxHeadBytes: 163_840,
  maxSockets: 21_000,
  maxSocketsPerAddress: undefined,
};
/** Heads and bodies until they are answered: room for a typical one from each of 20,000 clients. */
const MAX_HELD_BYTES = 134_217_728;
const READ_BYTES = 1_024;
const BULK_READ_BYTES = 16_384;
const PING_SECONDS = 20;
/** Pause before the next accept if no file descriptor is left. */
const AGAIN_MS = 250;

/**
 * Deno's server needs a system call for each WebSocket frame and memory for each stream; its
 * WebSocket buffers messages of up to 64 MiB, and its connections are not limited. So HTTP/1
 * requests are read and answered here. A connection that begins with HTTP/2 is forwarded to
 * `Deno.serve`, which listens on loopback and opens no WebSockets.
 */
export class StreamServer {
  readonly addr: Deno.NetAddr;
  readonly #listener: Deno.TcpListener;
  readonly #http2: RestartingServer;
  readonly #http: HttpOptions;
  readonly #turns = new StartScheduler();
  readonly #limits: ServerLimits;
  readonly #sockets: OpenSockets;
  /** Client addresses by the port from which their connections are forwarded. */
  readonly #passedOn = new Map<number, string>();
  readonly #beats = new TimingWheel<ServerWebSocket>(PING_SECONDS, (socket) => socket.beat());
  readonly #ticker: ReturnType<typeof setInterval>;
  #stopping: PromiseWithResolvers<void> | undefined;

  /** @throws if the port cannot be listened on. */
  constructor(private readonly options: StreamServerOptions, private readonly handler: Handler) {
    const { hostname, port, reusePort = false, onError } = options;
    const limits = this.#limits = { ...DEFAULTS, ...options.limits };
    this.#sockets = new OpenSockets({
      max: limits.maxSockets,
      maxPerAddress: limits.maxSocketsPerAddress,
      maxHeldBytes: MAX_HELD_BYTES,
      onRefused: () => closed.count("too_many_sockets"),
    });
    this.#http = {
      ...limits,
      ...{ handler, onError, turns: this.#turns },
      isStopping: () => this.#stopping !== undefined,
    };
    this.#listener = Deno.listen({ hostname, port, reusePort });
    this.addr = this.#listener.addr as Deno.NetAddr;
    this.#http2 = new RestartingServer(
      {
        hostname: "127.0.0.1",
        port: 0,
        onError,
        onFailed: (error) => this.#outOfDescriptors(error),
      },
      (request, info) => this.#answerHttp2(request, info),
    );
    this.#ticker = setInterval(() => this.#beats.turn(), 1000);
    this.#accept();
  }

  /** Accepts no new connections, and resolves when all open ones have ended. */
  async shutdown(): Promise<void> {
    this.#stopping = Promise.withResolvers();
    this.#listener.close();
    this.#sockets.closeWaiting();
    this.#left();
    await Promise.all([this.#stopping.promise, this.#http2.shutdown()]);
    clearInterval(this.#ticker);
    this.#turns[Symbol.dispose]();
  }

  async #accept(): Promise<void> {
    while (!this.#stopping) {
      try {
        this.#begin(await this.#listener.accept());
      } catch (error) {
        if (this.#stopping) return;
        this.#outOfDescriptors(error);
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  }

  #begin(conn: Deno.TcpConn): void {
    const connection = new Connection(conn);
    const { hostname } = conn.remoteAddr as Deno.NetAddr;
    const socket = this.#stopping
      ? undefined
      : this.#sockets.enter(hostname, () => connection.close());
    if (!socket) return connection.close();
    try {
      conn.setNoDelay(true);
    } catch {
      // The client has left already; the first read will show it.
    }
    const client = { conn, connection, socket };
    // Memory that only requests need is released before a stream begins.
    this.#serve(client)
      .then((outcome) => this.#goOn(client, outcome))
      .catch((error) => {
        connection.close();
        logFault("a connection failed", error);
      })
      .finally(() => {
        socket.leave();
        this.#left();
      });
  }

  #serve({ conn, connection, socket }: Client): Promise<Outcome> {
    const { hostname, port } = conn.localAddr as Deno.NetAddr;
    const host = `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
    const clientOf = () => this.#clientOf(conn);
    const info = {
      // The guard reports the address before the first byte of a request.
      get remoteAddr() {
        return clientOf();
      },
      completed: Promise.resolve(),
    };
    return new HttpConnection({ connection, socket, info, host }, this.#http).serve();
  }

  #goOn({ conn, connection }: Client, outcome: Outcome): Promise<void> {
    if (outcome.kind === "stream") return this.#follow(connection, outcome.stream, outcome.first);
    if (outcome.kind === "http2") return this.#pass(conn, outcome.first);
    return connection.closed;
  }

  /** Reads what the client of a stream sends, until either side ends it. */
  async #follow(connection: Connection, stream: Stream, first: Uint8Array): Promise<void> {
    const socket = stream instanceof ServerWebSocket ? stream : undefined;
    if (socket) this.#beats.add(socket);
    socket?.receive(first);
    const bytes = new Uint8Array(connection.pace ? READ_BYTES : BULK_READ_BYTES);
    for (let length; (length = await connection.read(bytes)) !== undefined;) {
      socket?.receive(bytes.subarray(0, length));
    }
    // The client has closed its sending side, but it may still read events.
    if (stream instanceof ServerWebSocket) connection.end();
    else await stream.outlivePeer();
    await connection.closed;
    if (socket) this.#beats.delete(socket);
  }

  async #pass(conn: Deno.TcpConn, first: Uint8Array): Promise<void> {
    let inner: Deno.TcpConn;
    try {
      inner = await Deno.connect({ hostname: "127.0.0.1", port: this.#http2.addr.port });
    } catch (error) {
      closeConn(conn);
      if (!this.#stopping) this.#outOfDescriptors(error);
      return;
    }
    const { idleMs, writeMs } = this.#limits;
    const { port } = inner.localAddr as Deno.NetAddr;
    this.#passedOn.set(port, this.#clientOf(conn).hostname);
    const onTimeout = (reason: string) => closed.count(reason);
    await pipe(conn, inner, { first, idleMs, writeMs, onTimeout });
    this.#passedOn.delete(port);
  }

  #answerHttp2(
    request: Request,
    info: Deno.ServeHandlerInfo,
  ): Response | Promise<Response> {
    const from = info.remoteAddr as Deno.NetAddr;
    const hostname = this.#passedOn.get(from.port);
    if (hostname === undefined) {
      return problem({
        status: 421,
        code: "wrong_port",
        detail: "This port is only for the program's own connections",
      });
    }
    return this.handler(request, {
      remoteAddr: { ...from, hostname },
      // Once read, it rejects if a client leaves early.
      get completed() {
        return info.completed;
      },
      mayUpgrade: false,
    });
  }

  #clientOf(conn: Deno.TcpConn): Deno.NetAddr {
    const from = conn.remoteAddr as Deno.NetAddr;
    return { ...from, hostname: this.options.peer?.(from.port) ?? from.hostname };
  }

  #left(): void {
    if (this.#sockets.size === 0) this.#stopping?.resolve();
  }

  #outOfDescriptors(error: unknown): void {
    const { message } = error as Error;
    log.error(
      "no new connections: {message}; raise the limit of open files (ulimit -n, LimitNOFILE)",
      { message },
    );
  }
}

interface Client {
  readonly conn: Deno.TcpConn;
  readonly connection: Connection;
  readonly socket: OpenSocket;
}
