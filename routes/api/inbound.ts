/** Messages from people, handed in over a WebSocket: each is answered once it is stored. */

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
    const slot = admission.admit(c);
    if (!deps.inbound) {
      throw new ProblemError({
        status: 503,
        code: "shadow",
        detail: "With --shadow nothing is delivered, and so nothing taken",
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
  // Before its socket is open, or a crowd could slip in together.
  slot.take();
  try {
    return openWebSocket(c, {
      maxMessageBytes: MAX_FRAME_BYTES,
      // It is closed where it does not wait for its answers.
      isBulk: true,
      onOpen: (socket) => {
        log.info("a peer connected to hand in messages");
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
