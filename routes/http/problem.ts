/** Errors over HTTP: problem documents with a stable code. */

import { problems } from "../../telemetry/metrics.ts";

export interface ProblemOptions {
  readonly status: number;
  /** Stable, for programs: `snake_case`. */
  readonly code: string;
  /** For people: what is wrong and what to do. */
  readonly detail: string;
  readonly headers?: Record<string, string>;
}

const TITLES: Record<number, string> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  413: "Content Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  417: "Expectation Failed",
  421: "Misdirected Request",
  426: "Upgrade Required",
  431: "Request Header Fields Too Large",
  408: "Request Timeout",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/** A response of type `application/problem+json`. */
export function problem({ status, code, detail, headers }: ProblemOptions): Response {
  problems.count(code);
  const document = { type: "about:blank", title: TITLES[status] ?? "Error", status, detail, code };
  return Response.json(document, {
    status,
    headers: { ...headers, "content-type": "application/problem+json" },
  });
}

/** Ends a request with a problem document; thrown in handlers. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  constructor(readonly options: ProblemOptions) {
    super(options.detail);
  }
}
