/** Health, metrics, descriptions and pages: what is open to all, but for the metrics. */

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
    summary: "Whether the process is worth keeping alive",
    answers: { 200: { description: "It is", schema: aliveSchema, example: { status: "ok" } } },
  },
  {
    method: "get",
    path: "/readyz",
    id: "readyz",
    tag: "Server",
    summary: "Whether it may get traffic",
    answers: {
      200: {
        description: "It may; where a broker or the store is away, `reasons` names them",
        schema: readySchema,
        example: { status: "degraded", reasons: ["mqtt: connection refused"] },
      },
      503: { description: "It starts or drains", schema: notReadySchema },
    },
  },
  {
    method: "get",
    path: "/metrics",
    id: "metrics",
    tag: "Server",
    summary: "Figures for Prometheus",
    answers: {
      200: {
        description: "Text of version 0.0.4",
        type: "text/plain; version=0.0.4; charset=utf-8",
      },
    },
  },
  {
    method: "get",
    path: "/openapi.json",
    id: "openapi",
    tag: "Server",
    summary: "This description",
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
  file("/docs", "docs", { summary: "This description, to read", type: HTML }),
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
