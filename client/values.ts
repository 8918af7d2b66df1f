import type { TelecastOptions, Transport } from "./types.ts";

const STREAM_PATH = "/api/v1/stream";

/** The stream's address as http or https; if only a host is given, the path is added. */
export function streamAddress(url: string | URL): URL {
  const { location } = globalThis as { location?: { href: string } };
  const address = new URL(url, location?.href);
  if (!/^(https?|wss?):$/.test(address.protocol)) {
    throw new TypeError(
      `Cannot open a stream at ${address.protocol}: use http, https, ws or wss`,
    );
  }
  address.protocol = address.protocol.replace("ws", "http");
  if (address.pathname === "/") address.pathname = STREAM_PATH;
  return address;
}

/** The address of one connection, with all its parameters. */
export function connectionAddress(
  address: URL,
  { deviceIds, since, snapshot, transport, options }: {
    deviceIds: Iterable<string>;
    since: string | undefined;
    snapshot: boolean;
    transport: Transport;
    options: TelecastOptions;
  },
): URL {
  const url = new URL(address);
  const set = (name: string, value: string | number | undefined) => {
    if (value !== undefined) url.searchParams.set(name, String(value));
  };
  // In `device_ids` a comma separates ids; `device_id` takes one id, which cannot be a prefix. Only
  // a token's own list can have prefixes with commas, and `*` asks for all of that list.
  const ids = [...deviceIds].map((id) => isPrefixWithComma(id) ? "*" : id);
  const listed = ids.filter((id) => !id.includes(","));
  if (listed.length > 0) set("device_ids", [...new Set(listed)].join(","));
  for (const id of ids) if (id.includes(",")) url.searchParams.append("device_id", id);
  set("since", since);
  set("snapshot", snapshot ? 1 : undefined);
  set("presence", options.presence ? 1 : undefined);
  set("mode", options.mode);
  set("max_rate", options.maxRate);
  set("batch_ms", transport === "ws" ? options.batchMs : undefined);
  return url;
}

/**
 * Trimmed ids without repeats, from text separated by commas or from a list.
 * @throws {TypeError} for a prefix with a comma, which no connection could ask for.
 */
export function deviceIdList(ids: string | readonly string[]): string[] {
  const list = typeof ids === "string" ? ids.split(",") : ids;
  const found = [...new Set(list.map((id) => id.trim()).filter(Boolean))];
  const wrong = found.find(isPrefixWithComma);
  if (wrong !== undefined) {
    throw new TypeError(`Cannot ask for ${wrong}: a prefix must not contain a comma`);
  }
  return found;
}

const isPrefixWithComma = (id: string) => id.endsWith("*") && id.includes(",");

/** When a JWT expires, in milliseconds since 1970; undefined if the token does not say. */
export function expiryMs(token: string | undefined): number | undefined {
  try {
    const body = token!.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/");
    const { exp } = JSON.parse(atob(body));
    return typeof exp === "number" ? exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}

/** The device id of a payload of a known shape, found as the server does it; else undefined. */
export function deviceIdOf(payload: unknown): unknown {
  // deno-lint-ignore no-explicit-any -- a payload may be anything
  const { data, device_id, empresa } = (payload ?? {}) as any;
  return data?.DEVICE_ID ?? device_id ?? empresa;
}
