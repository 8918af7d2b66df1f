/** Calls to other services, and what their failures mean for the work. */

import { DeliveryError } from "./delivery.ts";

export interface HttpCall {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers?: Record<string, string>;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly timeoutMs: number;
  /** Names the service in errors: `the backend`. */
  readonly service: string;
}

/** Said by what stands before a service that is down. */
const GATEWAY_STATUS = new Set([502, 503, 504]);
const MAX_RETRY_AFTER_MS = 3_600_000;
const MAX_ANSWER_BYTES = 1_048_576;

/**
 * The answer's JSON; undefined where it has none.
 * @throws {DeliveryError} permanent for 4xx but 408 and 429; with the time that the service named.
 */
export async function callJson(call: HttpCall, signal?: AbortSignal): Promise<unknown> {
  const { method, url, headers, body, timeoutMs, service } = call;
  const limit = AbortSignal.timeout(timeoutMs);
  const signals = signal ? [limit, signal] : [limit];
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method,
      headers: {
        ...headers,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.any(signals),
      redirect: "error",
    });
    text = (await response.text()).slice(0, MAX_ANSWER_BYTES);
  } catch {
    // The error of fetch names the URL, which may hold what is not for logs.
    const why = limit.aborted ? `did not answer within ${timeoutMs} ms` : "cannot be reached";
    throw new DeliveryError(`${service} ${why}`, { away: true });
  }
  const { status } = response;
  if (response.ok) return parse(text);
  const mayPass = status >= 500 || status === 429 || status === 408;
  throw new DeliveryError(`${service} answered ${status}`, {
    permanent: !mayPass,
    away: GATEWAY_STATUS.has(status),
    retryAfterMs: retryAfterMs(response.headers.get("retry-after")),
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
