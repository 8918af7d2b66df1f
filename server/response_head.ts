/** The head of an answer, as it goes over the wire (RFC 9112). */

const encoder = new TextEncoder();
const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  426: "Upgrade Required",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/** `framing` says how long the body is; the connection ends with it. */
export function responseHead(
  { status, headers }: Response,
  framing: Readonly<Record<string, string>>,
): Uint8Array {
  const lines = [`HTTP/1.1 ${status} ${REASONS[status] ?? ""}`];
  for (const [name, value] of headers) if (!(name in framing)) lines.push(`${name}: ${value}`);
  for (const [name, value] of Object.entries(framing)) lines.push(`${name}: ${value}`);
  if (!headers.has("date")) lines.push(`date: ${new Date().toUTCString()}`);
  return encoder.encode(`${lines.join("\r\n")}\r\n\r\n`);
}
