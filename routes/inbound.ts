/** Messages from people, handed in over a WebSocket: each is answered once it is stored. */

import { type Context, Hono } from "hono";
import type { InboundServer } from "../broker/delivery/inbound_server.ts";
import { getLogger } from "../log.ts";
import { grantOf } from "./access.ts";
import type { Admission, Place } from "./admission.ts";
import type { AppDeps } from "./deps.ts";
import { onGrantEnd } from "./grant_end.ts";
import { requireMayChange } from "./origin.ts";
import { ProblemError } from "./problem.ts";
import { upgradeByDeno } from "./websocket.ts";
import { asksForWebSocket, requireVersion } from "./websocket_handshake.ts";

const log = getLogger("routes", "inbound");
/** What a peer whose token ends gets for what waits for its answer. */
const LEAVE_MS = 1_000;

export function inboundRoutes(deps: AppDeps, admission: Admission): Hono {
  return new Hono().get("/ws", (c) => {
    if (!asksForWebSocket(c)) {
      throw new ProblemError({
        status: 426,
        code: "websocket_required",
        detail: "Messages come in over a WebSocket here; the stream is at /api/v1/stream",
        headers: { upgrade: "websocket", connection: "upgrade" },
      });
    }
    requireVersion(c);
    requireMayChange(c, deps.config);
    const place = admission.admit(c);
    if (!deps.inbound) {
      throw new ProblemError({
        status: 503,
        code: "shadow",
        detail: "With --shadow nothing is delivered, and so nothing taken",
        headers: { "retry-after": "5" },
      });
    }
    return serve(deps, deps.inbound, { c, place });
  });
}

function serve(
  { revocations }: AppDeps,
  server: InboundServer,
  { c, place }: { c: Context; place: Place },
): Response {
  const { socket, response } = upgradeByDeno(c);
  const peer = server.open(socket);
  place.take();
  let keepGrant: (() => void) | undefined;
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    log.info("a peer connected to hand in messages");
    keepGrant = onGrantEnd(grantOf(c), revocations, (reason) => {
      peer.leave(reason, 0, AbortSignal.timeout(LEAVE_MS));
    });
  };
  socket.onmessage = ({ data }) => peer.receive(data);
  socket.onclose = () => {
    keepGrant?.();
    place.leave();
    server.close(peer);
  };
  // What went wrong with a peer's connection is told by its close.
  socket.onerror = (event) => event.preventDefault();
  return response;
}
