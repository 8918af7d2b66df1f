/**
 * The HTTP application: all routes, built from what the program passes in.
 *
 * The routes room: everything that is answered over HTTP. It imports ingest/, broker/ and what is
 * below them; the server passes its connections in through http/own_server.ts.
 */

import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import { logFault } from "../telemetry/fault.ts";
import { isStoreFailure } from "../broker/store/store_failure.ts";
import { getLogger, reasonOf } from "../telemetry/log.ts";
import { Access } from "./access/access.ts";
import { Admission } from "./access/admission.ts";
import type { AppDeps } from "./http/deps.ts";
import { asyncapiRoutes } from "./openapi/asyncapi.ts";
import { commandRoutes } from "./api/commands.ts";
import { companyRoutes } from "./api/companies.ts";
import { dashboardRoutes } from "./pages/assets.ts";
import { deliveryRoutes } from "./api/deliveries.ts";
import { deviceRoutes } from "./api/devices.ts";
import { healthRoutes } from "./api/health.ts";
import { requireHost } from "./http/host.ts";
import { inboundRoutes } from "./api/inbound.ts";
import { iotRoutes } from "./api/iot.ts";
import { metricsRoutes } from "./reports/metrics.ts";
import { openapiRoutes } from "./pages/docs_routes.ts";
import { problem, ProblemError } from "./http/problem.ts";
import { publishRoutes } from "./api/publish.ts";
import { requestSizes, writeLimits } from "./access/request_limits.ts";
import { revocationRoutes } from "./api/revocation.ts";
import { guardRoutes } from "./access/route_scopes.ts";
import { securityHeaders } from "./access/security_headers.ts";
import { statsRoutes } from "./reports/stats.ts";
import { streamRoutes } from "./streams/stream.ts";
import { QueryError } from "./streams/stream_query.ts";
import { routeOf, traceRequest } from "./reports/request_trace.ts";

const log = getLogger("routes");

/** What a server calls for each request. */
export type AppHandler = (
  request: Request,
  info?: Deno.ServeHandlerInfo,
) => Response | Promise<Response>;

export function handlerOf(app: Hono): AppHandler {
  return (request, info) => app.fetch(request, { info });
}

/** Can be tested with `app.request()`, except for WebSockets. */
export function createApp(deps: AppDeps): Hono {
  const app = new Hono();
  const { corsOrigins } = deps.config;
  app.use(requireHost);
  app.use(traceRequest);
  app.use(crossOrigin(corsOrigins));
  app.use(securityHeaders({ tls: deps.config.tls !== undefined }));
  app.use(...requestSizes(deps.config));
  app.use("/api/*", async (_c, next) => {
    if (deps.health.phase !== "starting") return await next();
    throw new ProblemError({
      status: 503,
      code: "starting",
      detail: "The server is starting: try again",
      headers: { "retry-after": "2" },
    });
  });
  app.use("/api/v1/stream", async (_c, next) => {
    await deps.hub.startScheduler.pass();
    return await next();
  });
  const access = new Access(deps.config.auth, deps.revocations);
  const admission = new Admission(deps);
  const groups = [
    healthRoutes(deps),
    streamRoutes(deps, admission),
    statsRoutes(deps),
    deviceRoutes(deps),
    publishRoutes(deps),
    commandRoutes(deps),
    iotRoutes(deps),
    companyRoutes(deps),
    deliveryRoutes(deps),
    revocationRoutes(deps),
    inboundRoutes(deps, admission),
    asyncapiRoutes(),
    openapiRoutes(deps),
    metricsRoutes(deps),
    dashboardRoutes({
      mapTilesUrl: deps.config.mapTilesUrl,
      deviceIdPath: deps.config.deviceIdPath,
    }),
  ];
  for (const group of groups) guardRoutes(app, group, access);
  app.use(writeLimits(deps.config));
  for (const group of groups) app.route("/", group);
  refuseOtherMethods(app);
  app.notFound((c) =>
    problem({
      status: 404,
      code: "not_found",
      detail: `There is no route ${c.req.path.slice(0, 200)}; the stream is at /api/v1/stream`,
    })
  );
  app.onError((error, c) => failed(error, c));
  return app;
}

/** The headers of a WebSocket's response cannot be changed, and the route checks its Origin. */
function crossOrigin(origins: readonly string[]) {
  const handler = cors({
    origin: origins.includes("*") ? "*" : [...origins],
    allowHeaders: ["authorization", "content-type", "last-event-id", "cache-control"],
    maxAge: 600,
  });
  return (c: Context, next: () => Promise<void>) =>
    c.req.header("upgrade") ? next() : handler(c, next);
}

/** Answers 405, with the allowed methods, on every existing path. */
function refuseOtherMethods(app: Hono): void {
  const methods = new Map<string, Set<string>>();
  for (const { path, method } of app.routes) {
    if (method === "ALL") continue;
    const known = methods.get(path) ?? new Set();
    known.add(method);
    if (method === "GET") known.add("HEAD");
    methods.set(path, known);
  }
  for (const [path, known] of methods) {
    const allow = [...known].sort().join(", ");
    app.all(path, () =>
      problem({
        status: 405,
        code: "method_not_allowed",
        detail: `This route allows ${allow}`,
        headers: { allow },
      }));
  }
}

function failed(error: Error, c: Context): Response {
  if (error instanceof ProblemError) return problem(error.options);
  if (error instanceof QueryError) {
    return problem({ status: 400, code: error.code, detail: error.message });
  }
  if (isStoreFailure(error)) {
    log.warning("{route}: the store does not answer: {reason}", {
      route: routeOf(c),
      reason: reasonOf(error),
    });
    return problem({
      status: 503,
      code: "store_away",
      detail: "The store does not answer: try again",
      headers: { "retry-after": "5" },
    });
  }
  logFault(`${c.req.method} ${routeOf(c)} failed`, error);
  return problem({
    status: 500,
    code: "internal_error",
    detail: "The request failed; see the server's log",
  });
}
