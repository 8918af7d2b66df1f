/** The host that a request names. */

import type { Context } from "hono";
import { ProblemError } from "./problem.ts";

/** RFC 9112, 3.2; RFC 3986, 3.2.2. `http` has no URL without a host (RFC 9110, 4.2.1). */
const HOST =
  /^(?:\[[0-9A-Fa-f:.]+\]|(?:[0-9A-Za-z._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?$/;
const MAX_LENGTH = 261;

export const BAD_HOST = {
  status: 400,
  code: "bad_host",
  detail: "Host must be a host name or an IP address, with or without a port",
} as const;

/** Cached, since most requests name the same host. */
let lastGood: string | undefined;

/**
 * Whether the value of a `Host` header can be part of a URL: the URL standard refuses some names.
 */
export function isHost(host: string): boolean {
  if (host === lastGood) return true;
  const isGood = host.length <= MAX_LENGTH && HOST.test(host) && URL.canParse(`http://${host}`);
  if (isGood) lastGood = host;
  return isGood;
}

/**
 * Must run before anything parses the URL. Our own server has already checked what it read itself.
 * @throws {ProblemError} 400
 */
export async function requireHost(c: Context, next: () => Promise<void>): Promise<void> {
  const { info } = c.env as { info?: { direct?: unknown } };
  if (!info?.direct && !isHost(hostOf(c))) throw new ProblemError(BAD_HOST);
  await next();
}

/** HTTP/2 has no `Host`; Deno's server puts the authority into the URL without checking it. */
function hostOf(c: Context): string {
  const authority = c.req.url.slice(c.req.url.indexOf("//") + 2);
  return c.req.header("host") ?? authority.slice(0, authority.search(/[/?#]|$/));
}
