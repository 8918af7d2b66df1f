/** One operation of the HTTP interface, and the object that describes it in openapi.json. */

import { z } from "zod";
import type { Scope } from "../access/scopes.ts";

export interface Answer {
  readonly description: string;
  /** Schema of the body; unset if the answer has no body, or one that is not JSON. */
  readonly schema?: z.ZodType;
  /** `application/json` unless given. */
  readonly type?: string;
  readonly example?: unknown;
}

export interface Operation {
  readonly method: "get" | "post";
  /** With parameters in braces: `/api/v1/devices/{id}`. */
  readonly path: string;
  /** The operation's name in generated clients. */
  readonly id: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly Parameter[];
  /** The schema that checks the query, and also describes it. */
  readonly query?: z.ZodObject;
  /** The schema that checks the body. */
  readonly body?: { readonly schema: z.ZodType; readonly example: unknown };
  readonly answers: Readonly<Record<number, Answer>>;
  /** Codes of its problem documents by status, besides those that {@linkcode problemsOf} adds. */
  readonly problems?: Readonly<Record<number, readonly string[]>>;
  /** It accepts only WebSockets, so there is no command to try it. */
  readonly websocketOnly?: true;
  /** Working values, used in the examples of the docs. */
  readonly example?: {
    readonly path?: Readonly<Record<string, string>>;
    readonly query?: Readonly<Record<string, string>>;
  };
}

/** An operation with the scope that its route requires; open to all without one. */
export interface GuardedOperation extends Operation {
  readonly scope?: Scope;
}

/** A parameter that is not part of a query schema. */
export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly description: string;
  readonly schema: z.ZodType;
  readonly explode?: boolean;
}

export type Json = Record<string, unknown>;

/** The JSON schema of what is received (`input`) or sent (`output`). */
export function schemaOf(schema: z.ZodType, io: "input" | "output"): Json {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io });
  return json;
}

export interface Content {
  readonly schema: Json;
  readonly example?: unknown;
}

interface DescribedParameter {
  readonly name: string;
  readonly in: Parameter["in"];
  readonly required: boolean;
  readonly description: string;
  readonly schema: Json;
}

interface DescribedAnswer {
  readonly description: string;
  readonly content?: Readonly<Record<string, Content>>;
}

/** An operation in the form of OpenAPI. */
export interface Described {
  readonly parameters: readonly DescribedParameter[];
  readonly requestBody?: {
    readonly required: boolean;
    readonly content: Readonly<Record<string, Content>>;
  };
  readonly responses: Readonly<Record<string, DescribedAnswer>>;
}

export function describe(operation: GuardedOperation): Described & Json {
  const { id, tag, summary, description, scope, body } = operation;
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description && { description }),
    security: scope ? [{ bearer: [scope] }, { access_token: [scope] }] : [],
    parameters: [...givenParameters(operation), ...queryParameters(operation)],
    ...(body && {
      requestBody: {
        required: true,
        content: {
          "application/json": { schema: schemaOf(body.schema, "input"), example: body.example },
        },
      },
    }),
    responses: { ...answersOf(operation), ...problemAnswers(operation) },
  };
}

function givenParameters({ parameters = [], example }: Operation): DescribedParameter[] {
  return parameters.map(({ schema, in: place, ...rest }) => ({
    ...rest,
    in: place,
    required: place === "path",
    schema: schemaOf(schema, "input"),
    ...exampleOf(place === "path" ? example?.path?.[rest.name] : example?.query?.[rest.name]),
  }));
}

function queryParameters({ query, example }: Operation): DescribedParameter[] {
  return Object.entries(query?.shape ?? {}).map(([name, kind]) => {
    const { description, allowEmptyValue, ...schema } = schemaOf(kind as z.ZodType, "output");
    return {
      name,
      in: "query",
      required: false,
      description: String(description),
      ...(allowEmptyValue === true && { allowEmptyValue }),
      schema,
      ...exampleOf(example?.query?.[name], schema.type),
    };
  });
}

function exampleOf(value: string | undefined, type?: unknown): Json {
  if (value === undefined) return {};
  if (type === "array") return { example: value.split(",") };
  if (type === "boolean") return { example: value === "1" };
  return { example: type === "integer" || type === "number" ? Number(value) : value };
}

function answersOf({ answers }: Operation): Record<string, DescribedAnswer> {
  return Object.fromEntries(
    Object.entries(answers).map(([status, { description, schema, example, type }]) => [status, {
      description,
      ...((schema || type) && {
        content: {
          [type ?? "application/json"]: {
            schema: schema ? schemaOf(schema, "output") : { type: "string" },
            ...(example !== undefined && { example }),
          },
        },
      }),
    }]),
  );
}

/** Every problem that the operation may return: codes by status. */
export function problemsOf({ method, path, scope, body, problems = {} }: GuardedOperation) {
  const all: Record<number, Set<string>> = {};
  const add = (status: number, ...codes: readonly string[]) => {
    for (const code of codes) (all[status] ??= new Set()).add(code);
  };
  for (const [status, codes] of Object.entries(problems)) add(Number(status), ...codes);
  if (body) {
    add(400, "bad_json", "bad_body");
    add(408, "body_timeout");
    add(413, "body_too_large");
    add(415, "unsupported_media_type");
  }
  if (method === "post") {
    add(403, "origin_not_allowed");
    add(429, "too_many_requests");
  }
  if (scope) {
    add(401, "token_required", "bad_token", "token_expired", "token_revoked");
    add(403, "scope_required");
    add(503, "keys_away");
  }
  add(414, "url_too_long");
  add(431, "headers_too_large");
  if (path.startsWith("/api/")) add(503, "starting");
  add(500, "internal_error");
  return all;
}

const PROBLEM_TEXT: Record<number, string> = {
  400: "A parameter or the body is invalid: `detail` says what to change",
  401: "The token is missing, invalid, expired or revoked",
  403: "The token, or the origin of the page, does not allow this",
  404: "Not found",
  408: "The body did not arrive in time",
  409: "Not possible in the current state",
  413: "The body is too large",
  415: "A page sent a body that is not declared as JSON",
  414: "The URL is too long",
  426: "Only WebSockets are accepted, in the supported version",
  429: "Too many requests or connections: try again after `Retry-After`",
  431: "The headers are too large",
  500: "The server failed: see its log",
  503: "Currently unavailable: try again after `Retry-After`",
};

function problemAnswers(operation: GuardedOperation): Record<string, DescribedAnswer> {
  return Object.fromEntries(
    Object.entries(problemsOf(operation)).map(([status, codes]) => [status, {
      description: PROBLEM_TEXT[Number(status)]!,
      content: {
        "application/problem+json": {
          schema: {
            allOf: [
              { $ref: "#/components/schemas/Problem" },
              { properties: { code: { enum: [...codes] } } },
            ],
          },
        },
      },
    }]),
  );
}
