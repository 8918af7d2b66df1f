/** Counts requests, and names them in traces. */

import { SpanKind, trace } from "@opentelemetry/api";
import type { Context } from "hono";
import { matchedRoutes } from "hono/route";
import { answered } from "../../telemetry/metrics.ts";

const tracer = trace.getTracer("telecast");

/** Measures up to the start of the answer: a stream ends much later. */
export async function traceRequest(c: Context, next: () => Promise<void>): Promise<void> {
  const { method, path } = c.req;
  // Deno's server has created a span if OTEL_DENO=true; our own server leaves it to this code.
  const active = trace.getActiveSpan();
  const span = active ?? tracer.startSpan(method, {
    kind: SpanKind.SERVER,
    attributes: { "http.request.method": method, "url.path": path },
  });
  await next();
  const route = routeOf(c);
  answered(route, c.res.status);
  span.updateName(`${method} ${route}`);
  span.setAttribute("http.route", route);
  if (active) return;
  span.setAttribute("http.response.status_code", String(c.res.status));
  span.end();
}

/** The pattern of a route, never a path: the number of names stays small. */
export function routeOf(c: Context): string {
  return matchedRoutes(c).findLast(({ method }) => method !== "ALL")?.path ?? "none";
}
