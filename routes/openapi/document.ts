/**
 * The document that describes the HTTP interface.
 *
 * The openapi room: descriptions made from the schemas that check the input. It imports access/,
 * api/, reports/ and streams/.
 */

import { SCOPES } from "../access/scopes.ts";
import { ROUTE_SCOPES } from "../access/route_scopes.ts";
import { problemSchema } from "./answers.ts";
import { DEVICE_OPERATIONS } from "./device_operations.ts";
import {
  describe,
  type GuardedOperation,
  type Json,
  type Operation,
  schemaOf,
} from "./operation.ts";
import { PUBLISH_OPERATIONS } from "./publish_operations.ts";
import { SERVER_OPERATIONS } from "./server_operations.ts";
import { STREAM_OPERATIONS } from "./stream_operations.ts";
import { TOKEN_OPERATIONS } from "./token_operations.ts";
import { WORK_OPERATIONS } from "./work_operations.ts";

/** Every route except the pages' own assets; a test compares it with what the program serves. */
export const OPERATIONS: readonly GuardedOperation[] = [
  ...STREAM_OPERATIONS,
  ...DEVICE_OPERATIONS,
  ...PUBLISH_OPERATIONS,
  ...WORK_OPERATIONS,
  ...TOKEN_OPERATIONS,
  ...SERVER_OPERATIONS,
].map(guarded);

function guarded(operation: Operation): GuardedOperation {
  const { method, path } = operation;
  const scope = ROUTE_SCOPES[`${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ":$1")}`];
  return scope === undefined || scope === "none" ? operation : { ...operation, scope };
}

/** The operations of this server: without tokens, no route requires one. */
export function operations({ tokens }: DocumentOptions): readonly GuardedOperation[] {
  return tokens ? OPERATIONS : OPERATIONS.map(({ scope: _, ...operation }) => operation);
}

export interface DocumentOptions {
  readonly tokens: boolean;
}

/** OpenAPI 3.1. */
export function openapi(options: DocumentOptions): Json {
  const paths: Record<string, Json> = {};
  for (const operation of operations(options)) {
    (paths[operation.path] ??= {})[operation.method] = describe(operation);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Telecast",
      version: "1",
      description: "Device telemetry for browsers and services. Errors are problem documents " +
        "(`application/problem+json`) with a stable `code`.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    tags: [...new Set(OPERATIONS.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: { Problem: schemaOf(problemSchema, "output") },
      securitySchemes: SECURITY,
    },
  };
}

const SECURITY = {
  bearer: {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description: `Claims: \`scope\` (${
      SCOPES.map((scope) => `\`${scope}\``).join(", ")
    }; \`admin\` includes all) and \`device_ids\``,
  },
  access_token: {
    type: "apiKey",
    in: "query",
    name: "access_token",
    description: "The same token, for clients that cannot set headers",
  },
};
