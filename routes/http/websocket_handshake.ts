/** What a request to open a WebSocket looks like. */

import type { Context } from "hono";
import { ProblemError } from "./problem.ts";

const VERSION = "13";

/** `Upgrade` is a list, and means something in a GET alone (RFC 9110, 7.8; RFC 6455, 4.1). */
export function asksForWebSocket({ req }: Context): boolean {
  const offered = req.header("upgrade")?.split(",") ?? [];
  return req.method === "GET" && offered.some((name) => name.trim().toLowerCase() === "websocket");
}

/** @throws {ProblemError} 426 for a version of the protocol that Deno does not speak. */
export function requireVersion(c: Context): void {
  if (c.req.header("sec-websocket-version") === VERSION) return;
  throw new ProblemError({
    status: 426,
    code: "bad_websocket_version",
    detail: `This server speaks version ${VERSION} of WebSocket: see Sec-WebSocket-Version`,
    headers: { "sec-websocket-version": VERSION, upgrade: "websocket", connection: "upgrade" },
  });
}
