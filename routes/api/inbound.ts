/** Messages from people over a WebSocket; each is answered once it is stored. */

import { type Context, Hono } from "hono";
import { type InboundPeer, MAX_FRAME_BYTES } from "../../broker/deliveries/inbound_peer.ts";
import type { InboundServer } from "../../broker/deliveries/inbound_server.ts";
import { getLogger } from "../../telemetry/log.ts";
import { grantOf } from "../access/access.ts";
import type { Admission, ConnectionSlot } from "../access/admission.ts";
import type { AppDeps } from "../http/deps.ts";
import { onGrantEnd } from "../access/grant_end.ts";
import { requireMayChange } from "../access/origin.ts";
import { ProblemError } from "../http/problem.ts";
import { openWebSocket } from "../http/websocket.ts";
import { asksForWebSocket, requireVersion } from "../http/websocket_handshake.ts";

const log = getLogger("routes", "inbound");
/** How long a peer whose token ends may still wait for its answers. */
const LEAVE_MS = 1_000;

export function inboundRoutes(deps: AppDeps, admission: Admission): Hono {
  return new Hono().get("/ws", (c) => {
    if (!asksForWebSocket(c)) {
      throw new ProblemError({
        status: 426,
        code: "websocket_required",
        detail: "This route accepts messages over a WebSocket; the stream is at /api/v1/stream",
        headers: { upgrade: "websocket", connection: "upgrade" },
      });
    }
    requireVersion(c);
    requireMayChange(c, deps.config);
    const slot = admission.admit(c);
    if (!deps.inbound) {
      throw new ProblemError({
        status: 503,
        code: "shadow",
        detail: "With --shadow nothing is delivered, so nothing is accepted",
        headers: { "retry-after": "5" },
      });
    }
    return serve(deps, deps.inbound, { c, slot });
  });
}

function serve(
  { revocations }: AppDeps,
  server: InboundServer,
  { c, slot }: { c: Context; slot: ConnectionSlot },
): Response {
  let peer: InboundPeer | undefined;
  let keepGrant: (() => void) | undefined;
  // Taken before the socket is open; otherwise many clients could pass the limit at once.
  slot.take();
  try {
    return openWebSocket(c, {
      maxMessageBytes: MAX_FRAME_BYTES,
      // A peer that does not wait for its answers is closed.
      isBulk: true,
      onOpen: (socket) => {
        log.info("an inbound peer connected");
        const opened = peer = server.open(socket);
        keepGrant = onGrantEnd(grantOf(c), revocations, (reason) => {
          opened.leave(reason, 0, AbortSignal.timeout(LEAVE_MS));
        });
      },
      onMessage: (data) => peer?.receive(data),
      onTooBig: () => peer?.receiveTooBig(),
      onGone: () => {
        keepGrant?.();
        slot.leave();
        if (peer) server.close(peer);
      },
    });
  } catch (error) {
    slot.leave();
    throw error;
  }
}
