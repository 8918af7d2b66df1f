/** The head of an answer, as sent over the wire (RFC 9112). */

import { Buffer } from "node:buffer";

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  201: "Created",
  202: "Accepted",
  204: "No Content",
  304: "Not Modified",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  413: "Content Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  417: "Expectation Failed",
  426: "Upgrade Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
};
/** Only the server sets these. */
const FRAMING = ["connection", "content-length", "transfer-encoding", "keep-alive"];

export interface ResponseFraming {
  /** Undefined if the status or the method allows no body. */
  readonly length?: number | "chunked" | undefined;
  /** The connection ends with the answer. */
  readonly close: boolean;
}

export function responseHead(
  { status, headers }: Response,
  { length, close }: ResponseFraming,
): Uint8Array {
  const lines = [`HTTP/1.1 ${status} ${REASONS[status] ?? ""}`];
  for (const [name, value] of headers) if (!FRAMING.includes(name)) lines.push(`${name}: ${value}`);
  if (length === "chunked") lines.push("transfer-encoding: chunked");
  else if (length !== undefined) lines.push(`content-length: ${length}`);
  const connection = [headers.has("upgrade") && "upgrade", close && "close"].filter(Boolean);
  if (connection.length > 0) lines.push(`connection: ${connection.join(", ")}`);
  if (!headers.has("date")) lines.push(`date: ${new Date().toUTCString()}`);
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
}
