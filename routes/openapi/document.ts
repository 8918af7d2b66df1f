/** The document that describes the HTTP interface. */

import { problemSchema } from "./answers.ts";
import { DEVICE_OPERATIONS } from "./device_operations.ts";
import { describe, type Json, type Operation, schemaOf } from "./operation.ts";
import { PUBLISH_OPERATIONS } from "./publish_operations.ts";
import { SERVER_OPERATIONS } from "./server_operations.ts";
import { STREAM_OPERATIONS } from "./stream_operations.ts";
import { TOKEN_OPERATIONS } from "./token_operations.ts";
import { WORK_OPERATIONS } from "./work_operations.ts";

/** Every route but for the page's own assets; a test holds it equal to what the program serves. */
export const OPERATIONS: readonly Operation[] = [
  ...STREAM_OPERATIONS,
  ...DEVICE_OPERATIONS,
  ...PUBLISH_OPERATIONS,
  ...WORK_OPERATIONS,
  ...TOKEN_OPERATIONS,
  ...SERVER_OPERATIONS,
];

/** As this server has them: where no tokens are used, no route asks for one. */
export function operations({ tokens }: DocumentOptions): readonly Operation[] {
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
    description: "`scope` (`stream`, `publish`, `admin`) and `device_ids` are its claims",
  },
  access_token: {
    type: "apiKey",
    in: "query",
    name: "access_token",
    description: "The same token, where headers cannot be set",
  },
};
