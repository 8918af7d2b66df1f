/** What is counted of a request, and how traces name it. */

import { SpanKind, trace } from "@opentelemetry/api";
import type { Context } from "hono";
import { matchedRoutes } from "hono/route";
import { answered } from "../../telemetry/metrics.ts";

const tracer = trace.getTracer("telecast");

/** For an answer's beginning: a stream ends much later. */
export async function telemetry(c: Context, next: () => Promise<void>): Promise<void> {
  const { method, path } = c.req;
  // Deno's server has made one, where OTEL_DENO=true; ours leaves it to this.
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

/** A pattern of few, never a path. */
export function routeOf(c: Context): string {
  return matchedRoutes(c).findLast(({ method }) => method !== "ALL")?.path ?? "none";
}
