/** Which pages may open a WebSocket: browsers do not hold those to CORS. */

import type { Context } from "hono";
import { ProblemError } from "./problem.ts";

/** @throws {ProblemError} 403 where a page of another origin connects that is not allowed. */
export function requireOrigin(c: Context, allowed: readonly string[]): void {
  const origin = c.req.header("origin");
  if (origin === undefined || allowed.includes("*") || allowed.includes(origin)) return;
  if (isOwn(origin, c)) return;
  throw new ProblemError({
    status: 403,
    code: "origin_not_allowed",
    detail: "Pages of this origin may not connect: see CORS_ORIGINS",
  });
}

/** Whether the page that connects came from this server; a proxy in front may speak TLS. */
function isOwn(origin: string, c: Context): boolean {
  return origin.replace(/^https?:\/\//, "") === c.req.header("host");
}
