/** Recognizes requests to open a WebSocket. */

import type { Context } from "hono";
import { ProblemError } from "./problem.ts";

const VERSION = "13";

/** `Upgrade` is a list, and has a meaning only in a GET (RFC 9110, 7.8; RFC 6455, 4.1). */
export function asksForWebSocket({ req }: Context): boolean {
  const offered = req.header("upgrade")?.split(",") ?? [];
  return req.method === "GET" && offered.some((name) => name.trim().toLowerCase() === "websocket");
}

/** @throws {ProblemError} 426 for a version of the protocol that the server does not support. */
export function requireVersion(c: Context): void {
  if (c.req.header("sec-websocket-version") === VERSION) return;
  throw new ProblemError({
    status: 426,
    code: "bad_websocket_version",
    detail: `This server supports version ${VERSION} of WebSocket: see Sec-WebSocket-Version`,
    headers: { "sec-websocket-version": VERSION, upgrade: "websocket", connection: "upgrade" },
  });
}
