/** Messages from people, handed in over a WebSocket: each is answered once it is stored. */

import { type Context, Hono } from "hono";
import type { InboundPeer } from "../broker/delivery/inbound_peer.ts";
import type { InboundServer } from "../broker/delivery/inbound_server.ts";
import { getLogger } from "../log.ts";
import { grantOf } from "./access.ts";
import { AddressCounts, clientAddress } from "./client_address.ts";
import type { AppDeps } from "./deps.ts";
import { requireOrigin } from "./origin.ts";
import { problem, ProblemError } from "./problem.ts";

const log = getLogger("routes", "inbound");
const IDLE_SECONDS = 40;
/** A timer cannot be set for longer. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export function inboundRoutes(deps: AppDeps): Hono {
  const addresses = new AddressCounts();
  return new Hono().get("/ws", (c) => {
    if (c.req.header("upgrade")?.toLowerCase() !== "websocket") {
      throw new ProblemError({
        status: 426,
        code: "websocket_required",
        detail: "Messages come in over a WebSocket here; the stream is at /api/v1/stream",
        headers: { upgrade: "websocket", connection: "upgrade" },
      });
    }
    const server = mayConnect(deps, c);
    const address = clientAddress(c, deps.config.trustProxy);
    const { maxConnectionsPerIp = Infinity } = deps.config;
    if (addresses.of(address) >= maxConnectionsPerIp) {
      throw new ProblemError({
        status: 429,
        code: "too_many_connections_of_address",
        detail: "Your address has as many connections as it may: close one, or try again later",
        headers: { "retry-after": "5" },
      });
    }
    return serve(server, c, (change) => addresses.add(address, change));
  });
}

function mayConnect({ config, health, inbound }: AppDeps, c: Context): InboundServer {
  const refuse = (code: string, detail: string): never => {
    throw new ProblemError({ status: 503, code, detail, headers: { "retry-after": "5" } });
  };
  if (health.phase !== "serving") refuse(health.phase, `The server is ${health.phase}: try again`);
  requireOrigin(c, config.corsOrigins);
  if (!inbound) return refuse("shadow", "With --shadow nothing is delivered, and so nothing taken");
  if (inbound.peers.size >= config.maxConnections) {
    refuse("too_many_connections", "The server has as many connections as it may: try again later");
  }
  return inbound;
}

function serve(server: InboundServer, c: Context, count: (change: 1 | -1) => void): Response {
  const protocol = c.req.header("sec-websocket-protocol")?.split(",")[0]?.trim();
  let upgraded: Deno.WebSocketUpgrade;
  try {
    upgraded = Deno.upgradeWebSocket(c.req.raw, {
      idleTimeout: IDLE_SECONDS,
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
  const { expiresAt } = grantOf(c);
  const peer = server.open(socket);
  count(1);
  let expiry: ReturnType<typeof setTimeout> | undefined;
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    log.info("a peer connected to hand in messages");
    if (expiresAt !== undefined) expiry = endAt(peer, expiresAt, (timer) => expiry = timer);
  };
  socket.onmessage = ({ data }) => peer.receive(data);
  socket.onclose = () => {
    clearTimeout(expiry);
    count(-1);
    server.close(peer);
  };
  // What went wrong with a peer's connection is told by its close.
  socket.onerror = (event) => event.preventDefault();
  return response;
}

type Timer = ReturnType<typeof setTimeout>;

function endAt(peer: InboundPeer, expiresAt: number, onTimer: (timer: Timer) => void): Timer {
  const left = expiresAt - Date.now();
  return setTimeout(() => {
    if (left > MAX_TIMER_MS) onTimer(endAt(peer, expiresAt, onTimer));
    else peer.leave("token_expired", 0, AbortSignal.timeout(1_000));
  }, Math.min(left, MAX_TIMER_MS));
}
