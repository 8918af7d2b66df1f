/** Where a request comes from. */

import type { Context } from "hono";

/**
 * The client's IP address. Behind a trusted proxy, the address that the proxy saw: the last one in
 * X-Forwarded-For, since a client can forge the others.
 */
export function clientAddress(c: Context, trustProxy: boolean): string {
  if (trustProxy) {
    const forwarded = c.req.header("x-forwarded-for")?.split(",").at(-1)?.trim();
    if (forwarded) return forwarded;
  }
  const address = (c.env as { info?: Deno.ServeHandlerInfo } | undefined)?.info?.remoteAddr;
  return address && "hostname" in address ? address.hostname : "unknown";
}

/** The network of an address: shows operators where a client is, not who it is. */
export function networkOf(address: string): string {
  const ipv4 = /^(?:::ffff:)?(\d+\.\d+\.\d+)\.\d+$/i.exec(address);
  if (ipv4) return `${ipv4[1]}.x`;
  if (!address.includes(":")) return "unknown";
  const groups = address.split("::")[0]!.split(":").filter(Boolean);
  return `${groups.slice(0, 3).join(":")}::x`;
}
