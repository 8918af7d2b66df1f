/**
 * Which web pages may use the server from a browser. Programs send no Origin and are not checked.
 */

import type { Context } from "hono";
import type { Config } from "../../config/config.ts";
import { ProblemError } from "../http/problem.ts";

const JSON_TYPE = /^application\/(?:[\w.-]+\+|x-nd)?json\s*(?:;|$)/i;
/** Values of `Sec-Fetch-Site` for requests that are not from another site. */
const OWN_SITES: readonly (string | undefined)[] = [undefined, "same-origin", "none"];

/**
 * For streams, since browsers do not apply CORS to WebSockets.
 * @throws {ProblemError} 403 if the page's origin is not allowed.
 */
export function requireOrigin(c: Context, allowed: readonly string[]): void {
  const origin = c.req.header("origin");
  if (origin === undefined || allowed.includes("*") || allowed.includes(origin)) return;
  if (isOf(origin, c.req.header("host") ?? "")) return;
  throw refused();
}

/**
 * For requests that change something. With tokens, any page that CORS_ORIGINS allows may send them.
 * Without tokens, a browser must send them from one of our own pages or a listed origin, and with a
 * content type that no form can send.
 * @throws {ProblemError} 403 for another site's page, 415 for a body that is not declared as JSON.
 */
export function requireMayChange(c: Context, { auth, corsOrigins, host }: Config): void {
  if (auth) return requireOrigin(c, corsOrigins);
  const origin = c.req.header("origin");
  const site = c.req.header("sec-fetch-site");
  if (origin === undefined && site === undefined) return;
  // `*` lists no origin, and every sandboxed frame has the origin `null`.
  const listed = corsOrigins.filter((origin) => origin !== "*" && origin !== "null");
  const isListed = origin !== undefined && listed.includes(origin);
  if (!isListed && !isOwnPage({ origin, site, host: c.req.header("host") ?? "" }, listed, host)) {
    throw refused();
  }
  const hasBody = c.req.raw.body !== null && c.req.header("content-length") !== "0";
  if (hasBody && !JSON_TYPE.test(c.req.header("content-type") ?? "")) {
    throw new ProblemError({
      status: 415,
      code: "unsupported_media_type",
      detail: "A page must send Content-Type: application/json",
    });
  }
}

interface PageRequest {
  readonly origin: string | undefined;
  readonly site: string | undefined;
  /** The `Host` header. */
  readonly host: string;
}

/**
 * Whether the page came from this server. An Origin equal to Host proves it only if Host is a name
 * that an attacker cannot point here: with DNS rebinding, `evil.example` can resolve to any address
 * for a while.
 */
function isOwnPage(
  { origin, site, host }: PageRequest,
  listed: readonly string[],
  ownName: string,
): boolean {
  if (!OWN_SITES.includes(site)) return false;
  if (origin !== undefined && !isOf(origin, host)) return false;
  const name = host.toLowerCase().replace(/:\d+$/, "");
  return name === "localhost" || name === ownName.toLowerCase() || isAddress(name) ||
    listed.some((origin) => isOf(origin, host));
}

/** Whether an origin is this Host, over `http` or, since a proxy may terminate TLS, `https`. */
function isOf(origin: string, host: string): boolean {
  const scheme = /^https?:\/\//.exec(origin)?.[0];
  if (scheme === undefined) return false;
  const expected = URL.parse(scheme + host);
  return expected !== null && expected.origin === origin;
}

function isAddress(name: string): boolean {
  if (name.startsWith("[")) return URL.canParse(`http://${name}`);
  const parts = name.split(".");
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256);
}

function refused(): ProblemError {
  return new ProblemError({
    status: 403,
    code: "origin_not_allowed",
    detail: "Pages of this origin may not do this: see CORS_ORIGINS",
  });
}
