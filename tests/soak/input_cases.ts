/** The largest inputs that the default settings accept, and the requests that carry them. */

import { Rig } from "../routes/rig.ts";
import { bearer, SECRET, sign } from "../routes/signed.ts";

export interface InputCase {
  readonly name: string;
  readonly work: () => unknown;
}

const URL_BYTES = 130_900;
const HEADER_BYTES = 32_000;
const BODY_BYTES = 262_144;
const DEVICES = 100_000;

/** Joins as many results of `make(n)` as fit into `bytes`. */
function fill(bytes: number, make: (n: number) => string, joint = ","): string {
  let text = make(0);
  for (let n = 1;; n++) {
    const more = joint + make(n);
    if (text.length + more.length > bytes) return text;
    text += more;
  }
}

const long = (n: number) => `${n}`.padStart(6, "0").padEnd(124, "x");
/** Nearly identical prefixes, so that each comparison is long. */
const prefix = (n: number) => `${"x".repeat(117)}${`${n}`.padStart(6, "0")}*`;
const times = (count: number, make: (n: number) => string) =>
  Array.from({ length: count }, (_, n) => make(n));
const short = (n: number) => n.toString(36);

export const STREAM = "/api/v1/stream";

/** Sends a request to the application, and reads or cancels its answer. */
export async function ask(rig: Rig, path: string, init: RequestInit = {}): Promise<number> {
  const response = await rig.app.fetch(new Request(`http://127.0.0.1${path}`, init), {
    info: { remoteAddr: { transport: "tcp", hostname: "127.0.0.1", port: 1 } },
  });
  if (response.headers.get("content-type") === "text/event-stream") await response.body?.cancel();
  else await response.arrayBuffer();
  return response.status;
}

/** Large URLs and headers. */
export function queryCases(rig: Rig, guarded: Rig): InputCase[] {
  const queries: Record<string, string> = {
    "500 ids of 124 characters": `device_ids=${times(500, long).join()}`,
    "500 prefixes of 124 characters": `device_ids=${times(500, prefix).join()}`,
    "500 ids by device_id": times(500, (n) => `device_id=${long(n)}`).join("&"),
    "65,000 repeats of an id": `device_ids=${fill(URL_BYTES, () => "a")}`,
    "131,000 commas": `device_ids=${",".repeat(URL_BYTES)}`,
    "as many ids as fit, over the limit": `device_ids=${fill(URL_BYTES, short)}`,
    "as many empty parameters as fit": fill(URL_BYTES, () => "device_ids=", "&"),
    "as many repeats of device_id as fit": fill(URL_BYTES, () => "device_id=a", "&"),
    "65,000 unknown parameters": fill(URL_BYTES, () => "a", "&"),
    "43,600 characters, percent-encoded": `device_ids=${"%61".repeat(URL_BYTES / 3)}`,
    "a cursor of 128 KB": `since=${"a-".repeat(URL_BYTES / 2)}`,
    "a rate of 128 KB": `max_rate=${"1".repeat(URL_BYTES)}`,
  };
  const cases = Object.entries(queries).map(([name, query]) => ({
    name: `query: ${name}`,
    work: () => ask(rig, `${STREAM}?${query}`),
  }));
  const headers: Record<string, Record<string, string>> = {
    "Last-Event-ID of 32 KB": { "last-event-id": "a-".repeat(HEADER_BYTES / 2) },
    "Authorization of 32 KB of spaces": { authorization: `bearer x${" ".repeat(HEADER_BYTES)}x` },
    "16,000 subprotocols": { "sec-websocket-protocol": fill(HEADER_BYTES, () => "a") },
    "16,000 upgrades": { upgrade: fill(HEADER_BYTES, () => "a") },
    "Origin of 32 KB": { origin: `https://${"a.".repeat(HEADER_BYTES / 2)}` },
    "Accept-Encoding of 32 KB": { "accept-encoding": fill(HEADER_BYTES, () => "gzip;q=0") },
    "If-None-Match of 32 KB": { "if-none-match": fill(HEADER_BYTES, () => '"a"') },
  };
  for (const [name, init] of Object.entries(headers)) {
    for (
      const [path, one] of [[STREAM, guarded], ["/openapi.json", rig], ["/client.js", rig]] as const
    ) {
      cases.push({
        name: `header: ${name}, ${path}`,
        work: () => ask(one, path, { headers: init }),
      });
    }
  }
  const paths: Record<string, string> = {
    "of 128 KB": `/${"a".repeat(URL_BYTES)}`,
    "of 65,000 segments": "/a".repeat(URL_BYTES / 2),
    "of 43,000 encoded slashes": `/api/v1/devices/${"%2F".repeat(URL_BYTES / 3)}`,
  };
  for (const [name, path] of Object.entries(paths)) {
    cases.push({ name: `path: ${name}`, work: () => ask(rig, path) });
  }
  return cases;
}

/** Tokens of 16 KB. */
export async function tokenCases(guarded: Rig): Promise<InputCase[]> {
  const room = 11_900;
  const ids = fill(room, short).split(",");
  const claims: Record<string, unknown> = {
    "3,000 ids as text": ids.join(),
    "2,000 ids": fill(room, (n) => `"${short(n)}"`).replaceAll('"', "").split(","),
    "2,000 prefixes": fill(room, (n) => `"${short(n)}*"`).replaceAll('"', "").split(","),
    "95 nearly identical prefixes": times(95, prefix),
  };
  const cases: InputCase[] = [];
  for (const [name, device_ids] of Object.entries(claims)) {
    const text = await sign({ scope: "stream", device_ids });
    for (
      const [what, query] of Object.entries({
        "all its devices": "device_ids=*",
        "a device that it does not allow": "device_ids=-",
      })
    ) {
      cases.push({
        name: `token: ${name}, ${what}`,
        work: () => ask(guarded, `${STREAM}?${query}`, bearer(text)),
      });
    }
  }
  const scopes = await sign({ scope: fill(room, short, " ") });
  cases.push({ name: "token: 3,000 scopes", work: () => ask(guarded, STREAM, bearer(scopes)) });
  const forged = `${"a".repeat(8_000)}.${"a".repeat(8_000)}.a`;
  cases.push({ name: "token: forged", work: () => ask(guarded, STREAM, bearer(forged)) });
  return cases;
}

/** Bodies of 256 KB. */
export function bodyCases(rig: Rig): InputCase[] {
  const room = BODY_BYTES - 100;
  const values: Record<string, string> = {
    "a text": `"${"x".repeat(room)}"`,
    "130,000 numbers": `[${fill(room, () => "1")}]`,
    "87,000 lists": `[${fill(room, () => "[]")}]`,
    "30,000 members": `{${fill(room, (n) => `"${short(n)}":1`)}}`,
    "2,000 members": `{${times(1_990, (n) => `"${short(n)}":"${"x".repeat(110)}"`).join()}}`,
    "10,000 lists": `[${times(9_000, () => "[1,2,3,4,5,6]").join()}]`,
    "1,000 levels": `${"[".repeat(990)}${fill(room - 2_000, () => "1")}${"]".repeat(990)}`,
    "130,000 levels": "[".repeat(room / 2) + "]".repeat(room / 2),
    "130,000 quotes, escaped": `"${'\\"'.repeat(room / 2)}"`,
    "cut off at the end": `[${fill(room, () => "1")}`,
  };
  const routes: Record<string, (value: string) => string> = {
    "/api/v1/publish": (value) => `{"topic":"a","payload":${value}}`,
    "/api/v1/devices/A/commands": (value) => `{"a":${value}}`,
    "/api/v1/iot/telemetry": (value) => `{"device_id":"A","data":${value}}`,
    "/api/v1/empresas": (value) => `{"id":${value},"name":"A"}`,
    "/api/v1/tokens/revoke": (value) => value,
  };
  const cases: InputCase[] = [];
  for (const [path, wrap] of Object.entries(routes)) {
    for (const [name, value] of Object.entries(values)) {
      const body = wrap(value);
      cases.push({
        name: `body: ${name}, ${path}`,
        work: () => ask(rig, path, { method: "POST", body }),
      });
    }
  }
  const topic = "/".repeat(65_535);
  cases.push({
    name: "body: a topic of 64 KB, /api/v1/publish",
    work: () =>
      ask(rig, "/api/v1/publish", { method: "POST", body: JSON.stringify({ topic, payload: 1 }) }),
  });
  return cases;
}

/** Requests to a server that knows many devices. */
export async function stateCases(guarded: Rig): Promise<InputCase[]> {
  const admin = bearer(await sign({ scope: "admin", device_ids: "*" }));
  const some = bearer(await sign({ scope: "stream", device_ids: times(95, prefix) }));
  const paths = [
    "/api/v1/devices",
    "/api/v1/devices?next=999999999",
    "/api/v1/stream/stats",
    "/api/v1/stats",
    "/metrics",
  ];
  return [
    ...paths.map((path) => ({
      name: `${DEVICES} devices: ${path}`,
      work: () => ask(guarded, path, admin),
    })),
    {
      name: `${DEVICES} devices: /api/v1/devices of 95 prefixes`,
      work: () => ask(guarded, "/api/v1/devices", some),
    },
  ];
}

/** A server that knows 100,000 devices. */
export async function crowded(): Promise<Rig> {
  const rig = await Rig.start({ env: { AUTH_JWT_SECRET: SECRET } });
  for (let n = 0; n < DEVICES; n += 1_000) {
    rig.fanout.publish(
      times(1_000, (i) => `device ${n + i}`).map((deviceId) => ({
        deviceId,
        payload: `{"device_id":"${deviceId}"}`,
      })),
    );
  }
  return rig;
}
