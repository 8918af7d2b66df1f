/** The document that describes the HTTP interface. */

import { ROUTE_SCOPES, SCOPES } from "../access/scopes.ts";
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

/** Every route but for the page's own assets; a test holds it equal to what the program serves. */
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

/** As this server has them: where no tokens are used, no route asks for one. */
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
      description: "Telemetry of devices, to browsers and services. Errors are problem documents " +
        "(`application/problem+json`) with a `code` that does not change.",
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
    description: `\`scope\` (${
      SCOPES.map((scope) => `\`${scope}\``).join(", ")
    }; \`admin\` has all) and \`device_ids\` are its claims`,
  },
  access_token: {
    type: "apiKey",
    in: "query",
    name: "access_token",
    description: "The same token, where headers cannot be set",
  },
};
