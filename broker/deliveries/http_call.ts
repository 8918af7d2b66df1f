/** Calls to other services, and what their failures mean for the work. */

import { DeliveryError } from "./delivery.ts";
import { discard, readStart } from "./http_answer.ts";

export interface HttpCall {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers?: Record<string, string>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Of the whole call, from its connection to the end of the answer. */
  readonly timeoutMs: number;
  /** Names the service in errors: `the backend`. */
  readonly service: string;
  /** What the answer's body is for: `none` where its status says all. */
  readonly answer?: "json" | "none" | undefined;
}

/** Said by what stands before a service that is down. */
const GATEWAY_STATUS = new Set([502, 503, 504]);
/** An hour would be too long for an alarm, and the service may be back sooner than it thinks. */
const MAX_RETRY_AFTER_MS = 300_000;
const MAX_ANSWER_BYTES = 1_048_576;

/**
 * The answer's JSON; undefined where it has none, or more than 1 MB. Redirects are not followed.
 * @throws {DeliveryError} permanent for 4xx but 408 and 429; with the time that the service named.
 * No error names the URL.
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
    // It is done, and doing it again because of the answer's body would do it twice.
    if (answer === "none") return undefined;
    throw brokenOff("its answer", { limit, timeoutMs, service });
  }
}

/** The address of a path below `base`, whose query it keeps. */
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
  // Outside the try: what cannot be written as JSON is the caller's mistake.
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
    // The error of fetch names the URL, which may hold what is not for logs.
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
    : new DeliveryError(`${service} broke off ${what}`, { away: true, contact: "answered" });
}

/** Whether the connection failed before anything was sent; Deno tells by the cause's text alone. */
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

/** Seconds or a date, as HTTP has it. */
function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS) : undefined;
}
