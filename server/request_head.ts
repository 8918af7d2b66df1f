/** The head of a request (RFC 9112). */

import { Buffer } from "node:buffer";
import { BAD_HOST, isHost } from "../routes/http/host.ts";
import type { ProblemOptions } from "../routes/http/problem.ts";

export interface RequestHead {
  readonly method: string;
  /** Absolute; path and query as the client wrote them. */
  readonly url: string;
  readonly headers: Headers;
  /** Length of the body, unless it is chunked. */
  readonly body: number | "chunked";
  /** The client supports the chunked coding: HTTP/1.1. */
  readonly takesChunks: boolean;
  /** The client may send another request on the same connection. */
  readonly keepAlive: boolean;
  /** The client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
}

/** An invalid request; the connection ends with the answer. */
export class BadRequestError extends Error {
  override readonly name = "BadRequestError";
  constructor(readonly problem: ProblemOptions) {
    super(problem.detail);
  }
}

const LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([^\0- \x7f]+) HTTP\/([0-9])\.([0-9])$/;
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const VALUE = /^[\t -~\x80-\xff]*$/;
const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/i;
const LENGTH = /^[0-9]{1,15}$/;
/** `Headers` searches all lines for each one that it adds. */
const MAX_LINES = 100;
/** Methods that `Request` rejects. */
const FORBIDDEN = ["CONNECT", "TRACE", "TRACK"];
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Where the head ends in `bytes`, after its empty line; undefined if it is incomplete. */
export function endOfHead(bytes: Uint8Array, from = 0): number | undefined {
  // A line may end without CR (RFC 9112, 2.2).
  for (let at = bytes.indexOf(10, from); at >= 0; at = bytes.indexOf(10, at + 1)) {
    const next = bytes[at + 1] === 13 ? at + 2 : at + 1;
    if (bytes[next] === 10) return next + 1;
  }
  return undefined;
}

/**
 * Parses a complete head. `host` replaces the `Host` that HTTP/1.0 may omit.
 * @throws {BadRequestError}
 */
export function parseHead(bytes: Uint8Array, host: string): RequestHead {
  const [line, ...fields] = linesOf(bytes);
  const [, method, target, major, minor] = LINE.exec(line!) ?? [];
  if (!method || !target) throw bad("The request line must be: method, path, HTTP/1.1");
  if (major !== "1") throw bad("The HTTP version must be HTTP/1.1");
  if (FORBIDDEN.includes(method.toUpperCase())) {
    throw new BadRequestError({
      status: 405,
      code: "method_not_allowed",
      detail: `The method ${method} is not supported`,
      headers: { allow: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS" },
    });
  }
  const takesChunks = minor !== "0";
  const headers = headersOf(fields);
  const url = urlOf(target, headers, takesChunks ? undefined : host);
  return {
    method,
    url,
    headers,
    body: bodyOf(headers, takesChunks),
    takesChunks,
    keepAlive: takesChunks && !connectionHas(headers, "close"),
    expectsContinue: expectation(headers) && takesChunks,
  };
}

/** Options in a `Connection` header. */
const LISTED = { close: listed("close"), upgrade: listed("upgrade") };

/** Whether the `Connection` header lists this option. */
export function connectionHas(headers: Headers, option: keyof typeof LISTED): boolean {
  return LISTED[option].test(headers.get("connection") ?? "");
}

function listed(option: string): RegExp {
  return new RegExp(`(?:^|,)[ \\t]*${option}[ \\t]*(?:,|$)`, "i");
}

function linesOf(bytes: Uint8Array): string[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  const lines = text.split("\n").map((line) => line.endsWith("\r") ? line.slice(0, -1) : line);
  // The empty line, and the empty string after it.
  lines.length -= 2;
  return lines;
}

function headersOf(fields: readonly string[]): Headers {
  if (fields.length > MAX_LINES) {
    throw new BadRequestError({
      status: 431,
      code: "headers_too_large",
      detail: `A request may have at most ${MAX_LINES} headers`,
    });
  }
  const headers = new Headers();
  for (const field of fields) {
    const colon = field.indexOf(":");
    const name = field.slice(0, colon);
    const value = trimmed(field, colon + 1);
    if (colon < 0 || !NAME.test(name) || !VALUE.test(value)) {
      throw bad("A header does not have the form name: value");
    }
    if (name.length === 4 && name.toLowerCase() === "host" && headers.has("host")) {
      throw bad("There is more than one Host header");
    }
    headers.append(name, value);
  }
  return headers;
}

/** A regular expression for both ends would take time quadratic in the spaces within. */
function trimmed(text: string, start: number): string {
  let end = text.length;
  while (start < end && isSpace(text.charCodeAt(start))) start++;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

const isSpace = (code: number) => code === 32 || code === 9;

function urlOf(target: string, headers: Headers, otherHost: string | undefined): string {
  let host = headers.get("host") ?? otherHost;
  let path = target;
  const absolute = ABSOLUTE.exec(target);
  if (absolute) {
    // The absolute URL takes precedence over Host (RFC 9112, 3.2.2).
    [, host, path] = absolute as unknown as [string, string, string];
    if (!path.startsWith("/")) path = `/${path}`;
    headers.set("host", host);
  }
  if (host === undefined) throw new BadRequestError({ ...BAD_HOST, detail: "Host is missing" });
  if (!isHost(host)) throw new BadRequestError(BAD_HOST);
  if (!path.startsWith("/") || path.includes("#")) {
    throw bad("The request line needs a path, or an http URL");
  }
  return `http://${host}${asText(path)}`;
}

/** Some clients send UTF-8 without encoding it. */
function asText(path: string): string {
  if (!/[\x80-\xff]/.test(path)) return path;
  try {
    return utf8.decode(Buffer.from(path, "latin1"));
  } catch {
    throw bad("The path or its query is not UTF-8");
  }
}

/** A proxy in front must see the same end of the body (RFC 9112, 6.3). */
function bodyOf(headers: Headers, takesChunks: boolean): number | "chunked" {
  const length = headers.get("content-length");
  const coding = headers.get("transfer-encoding");
  if (coding !== null) {
    if (length !== null) throw bad("Content-Length and Transfer-Encoding cannot be combined");
    if (!takesChunks || coding.toLowerCase() !== "chunked") {
      throw bad("Transfer-Encoding must be chunked, and needs HTTP/1.1");
    }
    return "chunked";
  }
  if (length !== null && !LENGTH.test(length)) throw bad("Content-Length must be one number");
  return Number(length ?? 0);
}

function expectation(headers: Headers): boolean {
  const expected = headers.get("expect");
  if (expected === null) return false;
  if (expected.toLowerCase() === "100-continue") return true;
  throw new BadRequestError({
    status: 417,
    code: "bad_expectation",
    detail: "Expect must be 100-continue",
  });
}

function bad(detail: string): BadRequestError {
  return new BadRequestError({ status: 400, code: "bad_request", detail });
}
