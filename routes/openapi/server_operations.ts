/** Health, metrics, descriptions and pages: open to all, except the metrics. */

import { z } from "zod";
import { aliveSchema, notReadySchema, readySchema } from "./answers.ts";
import type { Operation } from "./operation.ts";

const HTML = "text/html; charset=utf-8";
const file = (
  path: string,
  id: string,
  { summary, type }: { summary: string; type: string },
): Operation => ({
  method: "get",
  path,
  id,
  tag: "Server",
  summary,
  answers: { 200: { description: summary, type } },
});

export const SERVER_OPERATIONS: readonly Operation[] = [
  {
    method: "get",
    path: "/livez",
    id: "livez",
    tag: "Server",
    summary: "Liveness: whether the process should be kept alive",
    answers: { 200: { description: "Alive", schema: aliveSchema, example: { status: "ok" } } },
  },
  {
    method: "get",
    path: "/readyz",
    id: "readyz",
    tag: "Server",
    summary: "Readiness: whether the server may get traffic",
    answers: {
      200: {
        description: "Ready. If a broker or the store is unavailable, `reasons` names it",
        schema: readySchema,
        example: { status: "degraded", reasons: ["mqtt: connection refused"] },
      },
      503: { description: "The server is starting or draining", schema: notReadySchema },
    },
  },
  {
    method: "get",
    path: "/metrics",
    id: "metrics",
    tag: "Server",
    summary: "Metrics for Prometheus",
    answers: {
      200: {
        description: "Prometheus text format, version 0.0.4",
        type: "text/plain; version=0.0.4; charset=utf-8",
      },
    },
  },
  {
    method: "get",
    path: "/openapi.json",
    id: "openapi",
    tag: "Server",
    summary: "This description as OpenAPI",
    answers: {
      200: { description: "OpenAPI 3.1", schema: z.looseObject({ paths: z.looseObject({}) }) },
    },
  },
  {
    method: "get",
    path: "/asyncapi.json",
    id: "asyncapi",
    tag: "Server",
    summary: "The events and commands of the stream",
    answers: {
      200: { description: "AsyncAPI 3.0", schema: z.looseObject({ channels: z.looseObject({}) }) },
    },
  },
  file("/docs", "docs", { summary: "This description as a web page", type: HTML }),
  file("/", "page", { summary: "The live page", type: HTML }),
  file("/ops", "ops", { summary: "The operator's page", type: HTML }),
  file("/client.js", "client", {
    summary: "The client library, an ES module",
    type: "text/javascript; charset=utf-8",
  }),
  file("/client.d.ts", "clientTypes", {
    summary: "The client library's types",
    type: "application/typescript; charset=utf-8",
  }),
];
