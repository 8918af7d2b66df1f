/**
 * The stream, over WebSocket and Server-Sent Events, on one path.
 *
 * The streams room: what a client may ask of its stream. It imports access/, http/ and
 * broker/streams.
 */

import { type Context, Hono } from "hono";
import { wsEvent } from "../../broker/streams/client_frame.ts";
import { beginSession } from "../../broker/streams/resume.ts";
import type { Session } from "../../broker/streams/session.ts";
import type { Sink } from "../../broker/streams/sink.ts";
import { SseSink } from "../../broker/streams/sse_sink.ts";
import { type ClientSocket, WsSink } from "../../broker/streams/ws_sink.ts";
import { getLogger } from "../../telemetry/log.ts";
import { deviceDenied, grantOf } from "../access/access.ts";
import type { Admission, ConnectionSlot } from "../access/admission.ts";
import { networkOf } from "../access/client_address.ts";
import type { AppDeps } from "../http/deps.ts";
import { onGrantEnd } from "../access/grant_end.ts";
import { problem } from "../http/problem.ts";
import { StreamBody } from "./stream_body.ts";
import { MAX_COMMAND_BYTES, StreamCommands } from "./stream_commands.ts";
import { parseStreamQuery, QueryError, type StreamQuery } from "./stream_query.ts";
import { type Grant, narrow } from "../access/tokens.ts";
import { infoOf, openWebSocket } from "../http/websocket.ts";
import { asksForWebSocket, requireVersion } from "../http/websocket_handshake.ts";

/** The server answers requests for it on its own connection. */
export const STREAM_PATH = "/api/v1/stream";

const log = getLogger("routes", "stream");
const SSE_HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no",
};
const POLICY_VIOLATION = 1008;

export function streamRoutes(deps: AppDeps, admission: Admission): Hono {
  return new Hono().get(STREAM_PATH, (c) => {
    const client = new Client(deps, grantOf(c), admission.admit(c));
    return asksForWebSocket(c) ? serveWebSocket(deps, c, client) : serveEvents(deps, c, client);
  });
}

function serveEvents(deps: AppDeps, c: Context, client: Client): Response {
  const query = readQuery(deps, c, "sse");
  if (query instanceof QueryError) {
    return problem({ status: 400, code: query.code, detail: query.message });
  }
  if (c.req.method === "HEAD") return new Response(null, { headers: SSE_HEADERS });
  client.admit();
  const { direct, completed } = infoOf(c);
  if (direct) {
    client.begin(new SseSink(direct.openEvents(() => client.gone())), query);
    return new Response(null, { headers: SSE_HEADERS });
  }
  const body = new StreamBody(() => client.gone());
  // If the server ends the stream, the connection lasts until the client has read it.
  completed?.catch(() => {}).finally(() => body.finished());
  client.begin(new SseSink(body), query);
  return new Response(body.stream, { headers: SSE_HEADERS });
}

function serveWebSocket(deps: AppDeps, c: Context, client: Client): Response {
  // Read before the upgrade, so that a device that is not granted is answered with a status.
  const query = readQuery(deps, c, "ws");
  requireVersion(c);
  client.admit();
  try {
    return openWebSocket(c, {
      maxMessageBytes: MAX_COMMAND_BYTES,
      onOpen: (socket) => client.open(socket, query),
      onMessage: (data) => client.commands?.receive(data),
      onTooBig: () => client.commands?.receiveTooBig(),
      onGone: () => client.gone(),
    });
  } catch (error) {
    client.gone();
    throw error;
  }
}

/**
 * What the client asks for, limited to what its token grants, or what is wrong with the query.
 * @throws {ProblemError} 403 for a device that is not granted.
 */
function readQuery(
  { config }: AppDeps,
  c: Context,
  transport: "ws" | "sse",
): StreamQuery | QueryError {
  let query: StreamQuery;
  try {
    query = parseStreamQuery(new URL(c.req.url), c.req.raw.headers, {
      transport,
      maxDeviceIds: config.maxDeviceIds,
      requireDeviceIds: transport === "ws" && config.requireDeviceIds,
    });
  } catch (error) {
    if (error instanceof QueryError) return error;
    throw error;
  }
  const narrowed = narrow(query.interest, grantOf(c));
  if ("denied" in narrowed) throw deviceDenied(narrowed.denied);
  return { ...query, interest: narrowed.granted };
}

/** One client's stream, from its admission to its end. */
class Client {
  readonly #gone = new AbortController();
  #session: Session | undefined;
  #begun: Promise<void> | undefined;
  #commands: StreamCommands | undefined;
  #keepGrant: (() => void) | undefined;

  constructor(
    private readonly deps: AppDeps,
    private readonly grant: Grant,
    private readonly slot: ConnectionSlot,
  ) {}

  /** Counts the client before its socket is open; otherwise many could pass the limit at once. */
  admit(): void {
    this.slot.take();
  }

  /** Resolves when the stream has begun. */
  begin(sink: Sink, { interest, mode, cursor, snapshot }: StreamQuery): Promise<void> {
    const { hub } = this.deps;
    const session = hub.open(sink, interest, mode);
    this.#session = session;
    session.network = networkOf(this.slot.address);
    session.onClosed = () => this.end();
    log.info("{transport} client connected: {extent}", {
      transport: sink.transport,
      extent: interest.extent,
    });
    const { grant } = this;
    this.#keepGrant = onGrantEnd(
      grant,
      this.deps.revocations,
      (reason) => hub.goodbye(session, reason, 0),
    );
    const { signal } = this.#gone;
    return beginSession(hub, session, { cursor, snapshot, signal })
      .catch((error) => hub.fail(session, error));
  }

  /** The WebSocket is open: begins its stream, or reports what is wrong with the query. */
  open(socket: ClientSocket, query: StreamQuery | QueryError): void {
    if (query instanceof QueryError) {
      const data = JSON.stringify({ message: query.message, code: query.code });
      socket.send(wsEvent("error", data));
      return socket.close(POLICY_VIOLATION, query.code);
    }
    this.#begun = this.begin(new WsSink(socket), query);
  }

  /**
   * Carries out the client's commands; created late, since few clients send any. Undefined without
   * a stream.
   */
  get commands(): StreamCommands | undefined {
    if (!this.#session || !this.#begun) return undefined;
    return this.#commands ??= new StreamCommands(this.deps, this.#session, {
      grant: this.grant,
      signal: this.#gone.signal,
      begun: this.#begun,
    });
  }

  /** The connection is closed. Its slot is kept until now, even if its stream ended earlier. */
  gone(): void {
    this.end();
    this.slot.leave();
  }

  /** Ends the stream: nothing more is sent. */
  end(): void {
    this.#gone.abort();
    this.#keepGrant?.();
    const session = this.#session;
    if (!session) return;
    this.#session = undefined;
    const { sink: { transport }, sent, dropped } = session;
    log.info("{transport} client gone, sent {sent}, dropped {dropped}", {
      transport,
      sent,
      dropped,
    });
    this.deps.hub.close(session);
  }
}
