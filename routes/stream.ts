/** The stream, on WebSocket and as Server-Sent Events: one path. */

import { type Context, Hono } from "hono";
import { wsEvent } from "../broker/client_frame.ts";
import { beginSession } from "../broker/resume.ts";
import type { Session } from "../broker/session.ts";
import { SseSink, WsSink } from "../broker/sink.ts";
import { getLogger } from "../log.ts";
import type { AppDeps } from "./deps.ts";
import { problem, ProblemError } from "./problem.ts";
import { StreamCommands } from "./stream_commands.ts";
import { parseStreamQuery, QueryError, type StreamQuery } from "./stream_query.ts";

const log = getLogger("routes", "stream");

const SSE_HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no",
};
/** A protocol ping goes out after half of this without a frame from the client. */
const WS_IDLE_SECONDS = 40;
const POLICY_VIOLATION = 1008;

export function streamRoutes(deps: AppDeps): Hono {
  return new Hono().get("/api/v1/stream", (c) => {
    const websocket = c.req.header("upgrade")?.toLowerCase() === "websocket";
    mayConnect(deps, c);
    return websocket ? serveWebSocket(deps, c.req.raw) : serveEvents(deps, c.req.raw);
  });
}

function mayConnect({ config, health, hub }: AppDeps, c: Context): void {
  const refuse = (code: string, detail: string): never => {
    throw new ProblemError({ status: 503, code, detail, headers: { "retry-after": "5" } });
  };
  if (health.phase !== "serving") refuse(health.phase, `The server is ${health.phase}: try again`);
  if (hub.sessions.size >= config.maxConnections) {
    refuse("too_many_connections", "The server has as many streams as it may: try again later");
  }
  const origin = c.req.header("origin");
  const { corsOrigins } = config;
  if (origin !== undefined && !corsOrigins.includes("*") && !corsOrigins.includes(origin)) {
    throw new ProblemError({
      status: 403,
      code: "origin_not_allowed",
      detail: "Pages of this origin may not connect: see CORS_ORIGINS",
    });
  }
}

function serveEvents(deps: AppDeps, request: Request): Response {
  const { hub, config } = deps;
  let query: StreamQuery;
  try {
    query = parseStreamQuery(new URL(request.url), request.headers, {
      transport: "sse",
      maxDeviceIds: config.maxDeviceIds,
      requireDeviceIds: false,
    });
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    return problem({ status: 400, code: error.code, detail: error.message });
  }
  if (request.method === "HEAD") return new Response(null, { headers: SSE_HEADERS });
  const gone = new AbortController();
  const sink = new SseSink(() => end());
  const session = hub.open(sink, query.interest, query.mode);
  const end = () => {
    gone.abort();
    if (!session.closed) logEnd(session);
    hub.close(session);
  };
  begin(deps, session, query, gone);
  return new Response(sink.body, { headers: SSE_HEADERS });
}

function serveWebSocket(deps: AppDeps, request: Request): Response {
  const { hub, config } = deps;
  const protocol = request.headers.get("sec-websocket-protocol")?.split(",")[0]?.trim();
  let upgraded: Deno.WebSocketUpgrade;
  try {
    upgraded = Deno.upgradeWebSocket(request, {
      idleTimeout: WS_IDLE_SECONDS,
      ...(protocol ? { protocol } : {}),
    });
  } catch {
    return problem({
      status: 400,
      code: "bad_upgrade",
      detail: "This is no WebSocket handshake: Sec-WebSocket-Key and -Version 13 are needed",
    });
  }
  const { socket, response } = upgraded;
  const gone = new AbortController();
  let session: Session | undefined;
  const end = () => {
    gone.abort();
    if (!session) return;
    if (!session.closed) logEnd(session);
    hub.close(session);
  };
  socket.onopen = () => {
    try {
      const query = parseStreamQuery(new URL(request.url), request.headers, {
        transport: "ws",
        maxDeviceIds: config.maxDeviceIds,
        requireDeviceIds: config.requireDeviceIds,
      });
      session = hub.open(new WsSink(socket), query.interest, query.mode);
      const commands = new StreamCommands(deps, session, gone.signal);
      socket.onmessage = ({ data }) => commands.receive(data);
      begin(deps, session, query, gone);
    } catch (error) {
      if (!(error instanceof QueryError)) throw error;
      const data = JSON.stringify({ message: error.message, code: error.code });
      socket.send(wsEvent("error", data));
      socket.close(POLICY_VIOLATION, error.code);
    }
  };
  socket.onclose = end;
  // What went wrong with a client's connection is told by its close.
  socket.onerror = (event) => event.preventDefault();
  return response;
}

function begin(deps: AppDeps, session: Session, query: StreamQuery, gone: AbortController): void {
  const { transport } = session.sink;
  log.info("{transport} client connected, {count} ids", {
    transport,
    count: session.interest.items.length,
  });
  const { cursor, snapshot } = query;
  beginSession(deps.hub, session, { cursor, snapshot, signal: gone.signal }).catch((error) => {
    log.error("a stream could not begin: {error}", { error });
    deps.hub.goodbye(session, "error", 1000);
  });
}

function logEnd({ sink, sent, dropped }: Session): void {
  log.info("{transport} client gone, sent {sent}, dropped {dropped}", {
    transport: sink.transport,
    sent,
    dropped,
  });
}
