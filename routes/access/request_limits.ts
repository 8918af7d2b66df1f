/** Limits the size of requests, and how many changes one client may request per second. */

import type { Context, MiddlewareHandler } from "hono";
import { RateLimit } from "../../lib/rate_limit.ts";
import type { Config } from "../../config/config.ts";
import { grantOf } from "./access.ts";
import { clientAddress } from "./client_address.ts";
import { requireMayChange } from "./origin.ts";
import { ProblemError } from "../http/problem.ts";
import { limitBody } from "../http/body_limit.ts";

const READS = new Set(["GET", "HEAD", "OPTIONS"]);
/** URLSearchParams takes 11 ms for 32,000. A long list of ids fits into one `device_ids`. */
const MAX_PARAMETERS = 6_000;
/** Clients whose rates are tracked; if there are more, the oldest are forgotten. */
const MAX_CLIENTS = 10_000;
const BODY_MS = 10_000;

/** Limits sizes before anything else of the request is read. */
export function requestSizes({ limits }: Config): MiddlewareHandler[] {
  const { urlBytes, headerBytes, bodyBytes } = limits;
  const head: MiddlewareHandler = async (c, next) => {
    if (c.req.url.length > urlBytes) {
      throw tooLarge(414, "url_too_long", `The URL may have at most ${urlBytes} bytes`);
    }
    if (hasTooManyParameters(c.req.url)) {
      throw tooLarge(414, "url_too_long", `A query may have at most ${MAX_PARAMETERS} parameters`);
    }
    if (headerLength(c.req.raw.headers) > headerBytes) {
      throw tooLarge(431, "headers_too_large", `Headers may have at most ${headerBytes} bytes`);
    }
    await next();
  };
  return [head, limitBody({ maxBytes: bodyBytes, ms: BODY_MS })];
}

/** For requests that change something: checks the page's origin, and limits the rate. */
export function writeLimits(config: Config): MiddlewareHandler {
  const { limits, trustProxy } = config;
  const rates = new Map<string, RateLimit>();
  const perSecond = limits.postsPerSecond;
  const rateOf = (client: string): RateLimit => {
    let rate = rates.get(client);
    if (rate) return rate;
    if (rates.size >= MAX_CLIENTS) rates.delete(rates.keys().next().value!);
    rate = new RateLimit({ perSecond, burst: perSecond, monotonic: () => performance.now() });
    rates.set(client, rate);
    return rate;
  };
  return async (c, next) => {
    if (!READS.has(c.req.method)) {
      // A browser submits a form of another site without a preflight request.
      requireMayChange(c, config);
      if (rateOf(clientOf(c, trustProxy)).take() > 0) {
        throw new ProblemError({
          status: 429,
          code: "too_many_requests",
          detail: `One client may send at most ${perSecond} requests a second: try again later`,
          headers: { "retry-after": "1" },
        });
      }
    }
    await next();
  };
}

function clientOf(c: Context, trustProxy: boolean): string {
  const { tokenId, subject } = grantOf(c);
  if (tokenId !== undefined) return `jti ${tokenId}`;
  return subject === undefined ? clientAddress(c, trustProxy) : `sub ${subject}`;
}

function hasTooManyParameters(url: string): boolean {
  let count = 0;
  for (let at = url.indexOf("&"); at >= 0; at = url.indexOf("&", at + 1)) {
    if (++count >= MAX_PARAMETERS) return true;
  }
  return false;
}

function headerLength(headers: Headers): number {
  let length = 0;
  // A copy, since iterating caches the entries for the life of the stream. 4 is for `: ` and the
  // line end.
  for (const [name, value] of new Headers(headers)) length += name.length + value.length + 4;
  return length;
}

function tooLarge(status: 414 | 431, code: string, detail: string): ProblemError {
  return new ProblemError({ status, code, detail });
}
