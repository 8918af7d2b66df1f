/** What is counted of a request, and how traces name it. */

import { trace } from "@opentelemetry/api";
import type { Context } from "hono";
import { matchedRoutes } from "hono/route";
import { answered } from "../metrics.ts";

/** For an answer's beginning: a stream ends much later. */
export async function telemetry(c: Context, next: () => Promise<void>): Promise<void> {
  await next();
  const route = routeOf(c);
  answered(route, c.res.status);
  // Deno makes the span, where OTEL_DENO=true; it knows no patterns of paths.
  const span = trace.getActiveSpan();
  span?.updateName(`${c.req.method} ${route}`);
  span?.setAttribute("http.route", route);
}

/** A pattern of few, never a path. */
export function routeOf(c: Context): string {
  return matchedRoutes(c).findLast(({ method }) => method !== "ALL")?.path ?? "none";
}
