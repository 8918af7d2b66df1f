/** How large a request may be, and how many of one client may change something in a second. */

import type { Context, MiddlewareHandler } from "hono";
import { RateLimit } from "../../lib/rate_limit.ts";
import type { Config } from "../../config/read.ts";
import { grantOf } from "./access.ts";
import { clientAddress } from "./client_address.ts";
import { requireMayChange } from "./origin.ts";
import { ProblemError } from "../http/problem.ts";
import { limitBody } from "../http/body_limit.ts";

const READS = new Set(["GET", "HEAD", "OPTIONS"]);
/** URLSearchParams takes 11 ms for 32,000. A longer list of ids fits into one `device_ids`. */
const MAX_PARAMETERS = 6_000;
/** Clients whose rates are known; where there are more, the oldest begin anew. */
const MAX_CLIENTS = 10_000;
const BODY_MS = 10_000;

/** Sizes; before anything else of the request is looked at. */
export function requestSizes({ limits }: Config): MiddlewareHandler[] {
  const { urlBytes, headerBytes, bodyBytes } = limits;
  const head: MiddlewareHandler = async (c, next) => {
    if (c.req.url.length > urlBytes) {
      throw tooLarge(414, "url_too_long", `The URL may have ${urlBytes} bytes`);
    }
    if (hasTooManyParameters(c.req.url)) {
      throw tooLarge(414, "url_too_long", `A query may have ${MAX_PARAMETERS} parameters`);
    }
    if (headerLength(c.req.raw.headers) > headerBytes) {
      throw tooLarge(431, "headers_too_large", `All headers may have ${headerBytes} bytes`);
    }
    await next();
  };
  return [head, limitBody({ maxBytes: bodyBytes, ms: BODY_MS })];
}

/** For requests that change something: their page's origin, and their rate. */
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
      // A form of another page is sent without asking first.
      requireMayChange(c, config);
      if (rateOf(clientOf(c, trustProxy)).take() > 0) {
        throw new ProblemError({
          status: 429,
          code: "too_many_requests",
          detail: `One client may send ${perSecond} requests a second: try again later`,
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
  // A copy, since what is iterated is cached for as long as the stream lives; `: ` and a line's end.
  for (const [name, value] of new Headers(headers)) length += name.length + value.length + 4;
  return length;
}

function tooLarge(status: 414 | 431, code: string, detail: string): ProblemError {
  return new ProblemError({ status, code, detail });
}
