/** A working request, built from an operation's examples. */

import type { Operation } from "./operation.ts";

export interface ExampleRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** JSON text. */
  readonly body?: string;
  /** The answer is a stream that does not end by itself. */
  readonly endless: boolean;
}

export function exampleRequest(
  { method, path, example, body, answers }: Operation,
): ExampleRequest {
  const filled = path.replace(
    /\{(\w+)\}/g,
    (_, name: string) => encodeURIComponent(example?.path?.[name] ?? name),
  );
  const query = new URLSearchParams(example?.query).toString();
  return {
    method: method.toUpperCase(),
    target: query ? `${filled}?${query}` : filled,
    ...(body && { body: JSON.stringify(body.example) }),
    endless: answers[200]?.type === "text/event-stream",
  };
}

/** The request as a shell command; it expects `TOKEN` to be set if a token is required. */
export function curlCommand(
  { method, target, body, endless }: ExampleRequest,
  { origin, token }: { readonly origin: string; readonly token: boolean },
): string {
  return [
    "curl",
    ...(endless ? ["-N"] : []),
    ...(method === "GET" ? [] : ["-X", method]),
    ...(token ? ['-H "Authorization: Bearer $TOKEN"'] : []),
    ...(body ? ["-H 'Content-Type: application/json'", "-d", quoted(body)] : []),
    quoted(origin + target),
  ].join(" ");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
