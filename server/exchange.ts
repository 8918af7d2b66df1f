/** One request and its answer over HTTP/1. */

import { closed } from "../telemetry/metrics.ts";
import type { Connection } from "./connection.ts";
import type { RequestInfo } from "../routes/http/own_server.ts";
import { DirectRequest } from "./direct_request.ts";
import type { EventOutput } from "./event_output.ts";
import type { Input } from "./input.ts";
import type { OpenSocket } from "./guard/open_sockets.ts";
import { RequestBody } from "./request_body.ts";
import type { RequestHead } from "./request_head.ts";
import { responseBody } from "./response_body.ts";
import { responseHead } from "./response_head.ts";
import type { ServerWebSocket } from "./web_socket.ts";

/** The whole response body is read before it is sent, so it must end. */
export type Handler = (request: Request, info: RequestInfo) => Response | Promise<Response>;

export interface ExchangeOptions {
  readonly handler: Handler;
  readonly onError: (error: unknown) => Response;
  /** How long a client may read nothing of an answer. */
  readonly writeMs: number;
  /** Whether this answer is the last on its connection. */
  readonly isStopping: () => boolean;
}

/** What owns a connection for the rest of its life. */
export type Stream = EventOutput | ServerWebSocket;

export interface ExchangeClient {
  readonly connection: Connection;
  readonly socket: OpenSocket;
  readonly input: Input;
  readonly info: Deno.ServeHandlerInfo<Deno.NetAddr>;
}

const CONTINUE = new TextEncoder().encode("HTTP/1.1 100 Continue\r\n\r\n");
/**
 * At most this much of a body that the handler did not read is discarded before the next request.
 */
const MAX_DISCARDED_BYTES = 65_536;
const DISCARD_MS = 2_000;
/** A body up to this size is copied behind its head, for one packet instead of two. */
const SMALL_BYTES = 16_384;
const INTERNAL_ERROR = 1011;

export class Exchange {
  constructor(private readonly client: ExchangeClient, private readonly options: ExchangeOptions) {}

  /**
   * Answers a request whose head has been read. Returns what comes next on the connection: another
   * request, its end, or the stream that owns it now.
   */
  async answer(head: RequestHead): Promise<"next" | "end" | Stream> {
    const { connection, info } = this.client;
    const { handler, onError, isStopping } = this.options;
    const body = this.#bodyOf(head);
    const direct = new DirectRequest(connection, head);
    let response: Response;
    try {
      response = await handler(requestOf(head, body), { ...info, direct });
    } catch (error) {
      response = onError(error);
    }
    const { events, socket } = direct;
    if (socket) {
      if (response.status !== 101) socket.close(INTERNAL_ERROR, "");
      return socket;
    }
    if (events && response.ok) {
      const length = head.takesChunks ? "chunked" : undefined;
      events.start(responseHead(response, { length, close: true }));
      return events;
    }
    const close = !head.keepAlive || isStopping() || events !== undefined ||
      response.headers.get("connection") === "close" || !mayFollow(body, head);
    await this.#write(response, head, close);
    return close || connection.over || body && !await this.#discard(body) ? "end" : "next";
  }

  /** Answers input that is not a valid request. */
  async refuse(response: Response): Promise<void> {
    await this.#write(response, undefined, true);
  }

  #bodyOf({ body: framing, expectsContinue }: RequestHead): RequestBody | undefined {
    const { connection, socket, input } = this.client;
    if (framing === 0) {
      socket.work();
      return undefined;
    }
    let isAwaited = expectsContinue;
    return new RequestBody(input, framing, {
      onWait: (received) => {
        if (isAwaited && received === 0) connection.write(CONTINUE);
        isAwaited = false;
        socket.hold(received + input.held);
      },
      onEnd: () => socket.work(),
    });
  }

  /** Discards the rest of a body if it is small; false if no request can follow. */
  async #discard(body: RequestBody): Promise<boolean> {
    const timer = setTimeout(() => this.client.connection.close(), DISCARD_MS);
    const most = body.received + MAX_DISCARDED_BYTES;
    try {
      while (body.received <= most) if (!await body.next()) return true;
    } catch {
      // The body is broken.
    } finally {
      clearTimeout(timer);
    }
    return false;
  }

  /** Resolves when the whole answer is sent, or the client is gone. */
  async #write(
    response: Response,
    request: RequestHead | undefined,
    close: boolean,
  ): Promise<void> {
    const { connection } = this.client;
    const hasBody = request?.method !== "HEAD" && response.status !== 204 &&
      response.status !== 304;
    const accepted = request?.headers.get("accept-encoding") ?? null;
    const body = hasBody ? await responseBody(response, accepted) : undefined;
    const head = responseHead(response, { length: body?.length, close });
    if (!body || body.length > SMALL_BYTES) {
      connection.write(head);
      if (body) connection.write(body);
    } else {
      const both = new Uint8Array(head.length + body.length);
      both.set(head);
      both.set(body, head.length);
      connection.write(both);
    }
    while (connection.buffered > 0) await this.#someTaken();
  }

  /** The answer stays in memory until the client reads it, so the wait is limited. */
  async #someTaken(): Promise<void> {
    const { connection } = this.client;
    const timer = setTimeout(() => {
      closed.count("not_read");
      connection.close();
    }, this.options.writeMs);
    await new Promise<void>((resolve) => connection.whenTaken(resolve));
    clearTimeout(timer);
  }
}

function requestOf({ method, url, headers }: RequestHead, body: RequestBody | undefined): Request {
  // A body has no meaning in a GET (RFC 9110, 9.3.1), and `Request` rejects it.
  if (!body || method === "GET" || method === "HEAD") return new Request(url, { method, headers });
  return new Request(url, { method, headers, body: body.stream() });
}

/** Whether the next request can be found after the body. */
function mayFollow(body: RequestBody | undefined, { expectsContinue }: RequestHead): boolean {
  if (!body || body.isComplete) return true;
  return !body.isBroken && !expectsContinue && body.left <= MAX_DISCARDED_BYTES;
}
