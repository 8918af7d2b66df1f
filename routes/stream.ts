/** The stream, on WebSocket and as Server-Sent Events: one path. */

import { type Context, Hono } from "hono";
import { wsEvent } from "../broker/client_frame.ts";
import { beginSession } from "../broker/resume.ts";
import type { Session } from "../broker/session.ts";
import { type Sink, SseSink, WsSink } from "../broker/sink.ts";
import { getLogger } from "../log.ts";
import { deviceDenied, grantOf } from "./access.ts";
import type { Admission, Place } from "./admission.ts";
import { networkOf } from "./client_address.ts";
import type { AppDeps } from "./deps.ts";
import { onGrantEnd } from "./grant_end.ts";
import { problem } from "./problem.ts";
import { StreamCommands } from "./stream_commands.ts";
import { parseStreamQuery, QueryError, type StreamQuery } from "./stream_query.ts";
import { type Grant, narrow } from "./tokens.ts";
import { asksForWebSocket, requireVersion } from "./websocket_handshake.ts";

const log = getLogger("routes", "stream");

const SSE_HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no",
};
/** A protocol ping goes out after half of this without a frame from the client. */
const WS_IDLE_SECONDS = 40;
const POLICY_VIOLATION = 1008;
const RETRY_MS = 1000;

const preventDefault = (event: Event) => event.preventDefault();

export function streamRoutes(deps: AppDeps, admission: Admission): Hono {
  return new Hono().get("/api/v1/stream", (c) => {
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
  const sink = new SseSink(() => client.gone());
  // Where the server ends the stream, its connection is there until the client has read it.
  (c.env as { info?: Deno.ServeHandlerInfo }).info?.completed
    .catch(() => {}).finally(() => client.gone());
  client.begin(sink, query);
  return new Response(sink.body, { headers: SSE_HEADERS });
}

function serveWebSocket(deps: AppDeps, c: Context, client: Client): Response {
  // Read before the upgrade: what is not granted is answered with a status, as far as that goes.
  const query = readQuery(deps, c, "ws");
  requireVersion(c);
  const protocol = c.req.header("sec-websocket-protocol")?.split(",")[0]?.trim();
  let upgraded: Deno.WebSocketUpgrade;
  try {
    upgraded = Deno.upgradeWebSocket(c.req.raw, {
      idleTimeout: WS_IDLE_SECONDS,
      ...(protocol ? { protocol } : {}),
    });
  } catch {
    return problem({
      status: 400,
      code: "bad_upgrade",
      detail:
        "This is no WebSocket handshake: Connection: Upgrade and Sec-WebSocket-Key are needed",
    });
  }
  const { socket, response } = upgraded;
  client.admit();
  // Listeners take less of each client's memory than handlers such as `onopen` do.
  socket.addEventListener("open", () => {
    if (query instanceof QueryError) {
      const data = JSON.stringify({ message: query.message, code: query.code });
      socket.send(wsEvent("error", data));
      return socket.close(POLICY_VIOLATION, query.code);
    }
    const begun = client.begin(new WsSink(socket), query);
    let commands: StreamCommands | undefined;
    // Few clients send any.
    socket.addEventListener("message", ({ data }) => {
      commands ??= client.commands(begun);
      commands?.receive(data);
    });
  }, { once: true });
  socket.addEventListener("close", () => client.gone());
  // What went wrong with a client's connection is told by its close.
  socket.addEventListener("error", preventDefault);
  return response;
}

/**
 * What the client asks for, less what its token does not grant; or what is wrong with it.
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
  #keepGrant: (() => void) | undefined;

  constructor(
    private readonly deps: AppDeps,
    private readonly grant: Grant,
    private readonly place: Place,
  ) {}

  /** From here on it counts: before its socket is open, or a crowd could slip in together. */
  admit(): void {
    this.place.take();
  }

  /** Resolves when the stream has begun. */
  begin(sink: Sink, { interest, mode, cursor, snapshot }: StreamQuery): Promise<void> {
    const { hub } = this.deps;
    const session = hub.open(sink, interest, mode);
    this.#session = session;
    session.network = networkOf(this.place.address);
    session.onClosed = () => this.end();
    log.info("{transport} client connected, {count} ids", {
      transport: sink.transport,
      count: interest.items.length,
    });
    const { grant } = this;
    this.#keepGrant = onGrantEnd(
      grant,
      this.deps.revocations,
      (reason) => hub.goodbye(session, reason, 0),
    );
    const { signal } = this.#gone;
    return beginSession(hub, session, { cursor, snapshot, signal }).catch((error) => {
      log.error("a stream could not begin: {error}", { error });
      hub.goodbye(session, "error", RETRY_MS);
    });
  }

  /** Carries out what the client sends; undefined once it is gone. */
  commands(begun: Promise<void>): StreamCommands | undefined {
    const { signal } = this.#gone;
    return this.#session &&
      new StreamCommands(this.deps, this.#session, { grant: this.grant, signal, begun });
  }

  /** The connection is closed; one whose stream has ended holds its place until then. */
  gone(): void {
    this.end();
    this.place.leave();
  }

  /** Nothing more is sent. */
  end(): void {
    this.#gone.abort();
    this.#keepGrant?.();
    const session = this.#session;
    if (!session) return;
    this.#session = undefined;
    log.info("{transport} client gone, sent {sent}, dropped {dropped}", {
      transport: session.sink.transport,
      sent: session.sent,
      dropped: session.dropped,
    });
    this.deps.hub.close(session);
  }
}
