/** Calls to other services, and what their failures mean for the work. */

import { DeliveryError } from "./delivery.ts";
import { discard, readStart } from "./http_answer.ts";

export interface HttpCall {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers?: Record<string, string>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Limit for the whole call, from connecting to the end of the response. */
  readonly timeoutMs: number;
  /** The name of the service in errors, e.g. `the backend`. */
  readonly service: string;
  /** How the response body is used: `none` if the status is enough. */
  readonly answer?: "json" | "none" | undefined;
}

/** Statuses of a gateway whose service is down. */
const GATEWAY_STATUS = new Set([502, 503, 504]);
/** An hour would be too long for an alarm, and the service may recover sooner than it says. */
const MAX_RETRY_AFTER_MS = 300_000;
const MAX_ANSWER_BYTES = 1_048_576;

/**
 * Returns the JSON of the response; undefined if it has none, or more than 1 MB. Redirects are not
 * followed.
 * @throws {DeliveryError} permanent for 4xx except 408 and 429; with the delay of Retry-After. No
 * error contains the URL.
 */
export async function callJson(call: HttpCall, signal?: AbortSignal): Promise<unknown> {
  const { timeoutMs, service, answer = "json" } = call;
  const limit = AbortSignal.timeout(timeoutMs);
  const response = await answerOf(call, limit, signal);
  if (!response.ok) {
    await discard(response);
    throw refusal(response, service);
  }
  try {
    const { text, whole } = await readStart(response, MAX_ANSWER_BYTES);
    return answer === "json" && whole ? parse(text) : undefined;
  } catch {
    // The work is done; a retry because of the response body would do it twice.
    if (answer === "none") return undefined;
    throw brokenOff("its response", { limit, timeoutMs, service });
  }
}

/** The URL of a path below `base`; keeps the query of `base`. */
export function addressOf(
  base: string,
  path: string,
  query: Readonly<Record<string, string>> = {},
): string {
  const url = new URL(base);
  url.pathname = url.pathname.replace(/\/$/, "") + path;
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url.href;
}

async function answerOf(
  { method, url, headers, body, timeoutMs, service }: HttpCall,
  limit: AbortSignal,
  signal: AbortSignal | undefined,
): Promise<Response> {
  // Outside the try: a body that cannot be written as JSON is a bug of the caller.
  const text = body === undefined ? null : JSON.stringify(body);
  try {
    return await fetch(url, {
      method,
      headers: { ...headers, ...(text === null ? {} : { "content-type": "application/json" }) },
      body: text,
      signal: AbortSignal.any(signal ? [limit, signal] : [limit]),
      redirect: "manual",
    });
  } catch (error) {
    // The error of fetch contains the URL, which may hold secrets.
    if (limit.aborted || !isUnreachable(error)) {
      throw brokenOff("the connection", { limit, timeoutMs, service });
    }
    throw new DeliveryError(`${service} cannot be reached`, { away: true });
  }
}

function brokenOff(
  what: string,
  { limit, timeoutMs, service }: { limit: AbortSignal; timeoutMs: number; service: string },
): DeliveryError {
  return limit.aborted
    ? new DeliveryError(`${service} did not answer within ${timeoutMs} ms`, {
      away: true,
      contact: "silent",
    })
    : new DeliveryError(`${service} aborted ${what}`, { away: true, contact: "answered" });
}

/** Whether the connection failed before anything was sent; only the cause's text shows it. */
function isUnreachable(error: unknown): boolean {
  const { cause } = error as { cause?: unknown };
  return !(cause instanceof Error) || cause.message.includes("client error (Connect)");
}

function refusal({ status, headers }: Response, service: string): DeliveryError {
  const retryAfter = retryAfterMs(headers.get("retry-after"));
  if (status < 400) {
    const message = `${service} answered ${status}: redirects are not followed, check its URL`;
    return new DeliveryError(message, {
      away: true,
      contact: "answered",
      retryAfterMs: retryAfter,
    });
  }
  const mayPass = status >= 500 || status === 429 || status === 408;
  return new DeliveryError(`${service} answered ${status}`, {
    permanent: !mayPass,
    away: GATEWAY_STATUS.has(status),
    busy: status === 429,
    contact: "answered",
    retryAfterMs: retryAfter,
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Reads `Retry-After`: seconds, or an HTTP date. */
function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS) : undefined;
}
