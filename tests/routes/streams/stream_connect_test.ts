/** Which clients get a stream, over which transport, and which do not. */

import assert from "node:assert/strict";
import { configure, reset } from "@logtape/logtape";
import { eventually } from "../../kit/eventually.ts";
import { HANDSHAKE } from "../raw.ts";
import { everyServer, range, Rig, type RigOptions } from "../rig.ts";

const STREAM = "/api/v1/stream?device_ids=A";

/** Status and headers of a WebSocket handshake; `lines` replace headers with the same names. */
async function handshake(rig: Rig, lines: readonly string[] = [], target = STREAM) {
  const names = new Set(lines.map((line) => line.split(":")[0]!.toLowerCase()));
  const rest = HANDSHAKE.filter((line) => !names.has(line.split(":")[0]!.toLowerCase()));
  await using connection = await rig.raw();
  await connection.request(target, [...rest, ...lines.filter((line) => !line.endsWith(": "))]);
  return await connection.head();
}

everyServer.test("the Upgrade header decides on the transport, in any case", async ({ start }) => {
  await using rig = await start();
  for (const upgrade of ["websocket", "WebSocket", "WEBSOCKET", "wEbSoCkEt"]) {
    const { status, headers } = await handshake(rig, [
      `UPGRADE: ${upgrade}`,
      "connection: keep-alive, upgrade",
    ]);
    assert.equal(status, 101, upgrade);
    assert.equal(headers.get("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  }
  // Upgrade is a list.
  assert.equal((await handshake(rig, ["Upgrade: h2c, websocket"])).status, 101);
  const { status, headers } = await handshake(rig, ["Upgrade: h2c"]);
  assert.deepEqual([status, headers.get("content-type")], [200, "text/event-stream"]);
});

everyServer.test("an invalid handshake is a problem, not a stream, and takes no slot", async ({ start }) => {
  await using rig = await start({ env: { MAX_CONNECTIONS: "1" } });
  for (const line of ["Sec-WebSocket-Key: ", "Connection: close"]) {
    const { status, headers } = await handshake(rig, [line]);
    assert.deepEqual([status, headers.get("content-type")], [400, "application/problem+json"]);
  }
  for (const line of ["Sec-WebSocket-Version: 8", "Sec-WebSocket-Version: "]) {
    const { status, headers } = await handshake(rig, [line]);
    assert.deepEqual([status, headers.get("sec-websocket-version")], [426, "13"]);
    assert.equal(headers.get("content-type"), "application/problem+json");
  }
  assert.equal(rig.hub.totals.ws.connections, 0);
  await using _stream = await rig.ws("device_ids=A");
});

everyServer.test("the server selects the subprotocol that is offered first", async ({ start }) => {
  await using rig = await start();
  await using one = await rig.ws("device_ids=A", { protocols: ["bearer.abc"] });
  assert.equal(one.protocol, "bearer.abc");
  await using two = await rig.ws("device_ids=A", { protocols: ["telecast", "other"] });
  assert.equal(two.protocol, "telecast");
  await using none = await rig.ws("device_ids=A");
  assert.equal(none.protocol, "");
});

everyServer.test("HEAD answers as GET would, and opens nothing", async ({ start }) => {
  await using rig = await start();
  const response = await rig.fetch("/api/v1/stream", { method: "HEAD" });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  assert.equal(await response.text(), "");
  const bad = await rig.fetch("/api/v1/stream?mode=x", { method: "HEAD" });
  assert.equal(bad.status, 400);
  await using connection = await rig.raw();
  await connection.request(STREAM, HANDSHAKE, "HEAD");
  assert.equal((await connection.head()).status, 200);
  assert.equal(rig.hub.totals.sse.connections + rig.hub.totals.ws.connections, 0);
});

everyServer.test("other methods get 405 with the allowed methods", async ({ start }) => {
  await using rig = await start();
  for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
    const response = await rig.fetch("/api/v1/stream", { method });
    assert.equal(response.status, 405);
    assert.equal(response.headers.get("allow"), "GET, HEAD");
    assert.equal(response.headers.get("content-type"), "application/problem+json");
    assert.equal((await response.json()).code, "method_not_allowed");
  }
  await using connection = await rig.raw();
  await connection.request(STREAM, HANDSHAKE, "POST");
  assert.equal((await connection.head()).status, 405);
});

everyServer.test("MAX_CONNECTIONS counts both transports, and a client that leaves makes room", async ({ start }) => {
  await using rig = await start({ env: { MAX_CONNECTIONS: "2" } });
  await using sse = await rig.sse();
  await using ws = await rig.ws("device_ids=A");
  const response = await rig.fetch("/api/v1/stream");
  assert.equal(response.status, 503);
  assert.match(response.headers.get("retry-after") ?? "", /^\d+$/);
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  assert.equal((await response.json()).code, "too_many_connections");
  assert.equal((await handshake(rig)).status, 503);
  await ws.close();
  await eventually("room", () => rig.hub.sessions.size === 1);
  await using _again = await rig.ws("device_ids=A");
  await sse.close();
  await eventually("room", () => rig.hub.sessions.size === 1);
  await using _sse = await rig.sse();
});

everyServer.test("MAX_CONNECTIONS holds when many clients connect at once", async ({ start }) => {
  await using rig = await start({ env: { MAX_CONNECTIONS: "10" } });
  await using stack = new AsyncDisposableStack();
  const opened = await Promise.allSettled(
    Array.from({ length: 40 }, async () => stack.use(await rig.socket(STREAM))),
  );
  assert.equal(opened.filter(({ status }) => status === "fulfilled").length, 10);
  assert.equal(rig.hub.sessions.size, 10);
});

everyServer.test("MAX_CONNECTIONS_PER_IP counts by address, which a trusted proxy provides", async ({ start }) => {
  for (const trusted of ["false", "true"]) {
    await using rig = await start({
      env: { MAX_CONNECTIONS_PER_IP: "2", TRUST_PROXY: trusted },
    });
    await using stack = new AsyncDisposableStack();
    // Only the last address was written by the proxy.
    const from = (address: string) => ({
      headers: { "x-forwarded-for": `9.9.9.${Math.floor(Math.random() * 255)}, ${address}` },
    });
    const opened = await Promise.allSettled(
      range(1, 8).map(async () => stack.use(await rig.socket(STREAM, from("10.0.0.1")))),
    );
    assert.equal(opened.filter(({ status }) => status === "fulfilled").length, 2);
    const refused = await rig.fetch("/api/v1/stream", from("10.0.0.1"));
    assert.equal(refused.status, 429);
    assert.match(refused.headers.get("retry-after") ?? "", /^\d+$/);
    assert.equal((await refused.json()).code, "too_many_connections_of_address");
    const other = await rig.fetch("/api/v1/stream", from("10.0.0.2"));
    await other.body?.cancel();
    assert.equal(other.status, trusted === "true" ? 200 : 429);
  }
});

everyServer.test("during start and drain the stream answers 503 on both transports", async ({ start }) => {
  await using rig = await start();
  for (const phase of ["starting", "draining"] as const) {
    rig.health.phase = phase;
    const response = await rig.fetch("/api/v1/stream");
    assert.equal(response.status, 503);
    assert.equal((await response.json()).code, phase);
    assert.match(response.headers.get("retry-after") ?? "", /^\d+$/);
    assert.equal((await handshake(rig)).status, 503);
  }
});

// ---- origins

const LISTED: RigOptions = { env: { CORS_ORIGINS: "https://app.example.com, https://b.example" } };

everyServer.test("CORS_ORIGINS: any origin by default, on both transports", async ({ start }) => {
  await using rig = await start();
  const origin = { origin: "https://anywhere.example" };
  await using sse = await rig.sse("", { headers: origin });
  assert.equal(sse.response.headers.get("access-control-allow-origin"), "*");
  assert.equal((await handshake(rig, ["Origin: https://anywhere.example"])).status, 101);
  assert.equal((await handshake(rig, ["Origin: null"])).status, 101);
});

everyServer.test("CORS_ORIGINS: a page of another origin gets no stream", async ({ start }) => {
  await using rig = await start(LISTED);
  for (const origin of ["https://evil.example", "null", "https://app.example.com.evil.example"]) {
    const { status, headers } = await handshake(rig, [`Origin: ${origin}`]);
    assert.deepEqual([status, headers.get("content-type")], [403, "application/problem+json"]);
    const response = await rig.fetch("/api/v1/stream", { headers: { origin } });
    assert.equal(response.status, 403);
    assert.equal(response.headers.get("access-control-allow-origin"), null);
    assert.equal((await response.json()).code, "origin_not_allowed");
  }
  assert.equal((await handshake(rig, ["Origin: https://b.example"])).status, 101);
  assert.equal((await handshake(rig)).status, 101, "programs send no Origin");
  await using sse = await rig.sse("", { headers: { origin: "https://app.example.com" } });
  const { headers } = sse.response;
  assert.equal(headers.get("access-control-allow-origin"), "https://app.example.com");
  assert.match(headers.get("vary") ?? "", /origin/i);
  assert.equal(headers.get("content-type"), "text/event-stream");
});

everyServer.test("CORS_ORIGINS: the server's own page may always connect", async ({ start }) => {
  await using rig = await start(LISTED);
  const own = ["Host: telecast.example:8443", "Origin: https://telecast.example:8443"];
  await using connection = await rig.raw();
  const head = [`GET ${STREAM} HTTP/1.1`, ...own, ...HANDSHAKE].join("\r\n");
  await connection.write(new TextEncoder().encode(`${head}\r\n\r\n`));
  assert.equal((await connection.head()).status, 101);
  assert.equal((await handshake(rig, ["Origin: https://127.0.0.1:1"])).status, 403);
});

everyServer.test("CORS_ORIGINS: a trailing slash and upper case are accepted", async ({ start }) => {
  await using rig = await start({ env: { CORS_ORIGINS: "https://App.Example.com/" } });
  assert.equal((await handshake(rig, ["Origin: https://app.example.com"])).status, 101);
  assert.equal((await handshake(rig, ["Origin: https://other.example.com"])).status, 403);
});

everyServer.test("OPTIONS answers a browser's preflight request", async ({ start }) => {
  await using rig = await start(LISTED);
  for (const path of ["/api/v1/stream", "/api/v1/publish", "/api/v1/devices/A/messages"]) {
    const response = await rig.fetch(path, {
      method: "OPTIONS",
      headers: {
        origin: "https://b.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
      },
    });
    await response.body?.cancel();
    assert.equal(response.status, 204);
    assert.equal(response.headers.get("access-control-allow-origin"), "https://b.example");
    assert.match(response.headers.get("access-control-allow-methods") ?? "", /\bPOST\b/);
    assert.match(response.headers.get("access-control-allow-headers") ?? "", /authorization/);
  }
  const other = await rig.fetch("/api/v1/stream", {
    method: "OPTIONS",
    headers: { origin: "https://evil.example", "access-control-request-method": "GET" },
  });
  await other.body?.cancel();
  assert.equal(other.headers.get("access-control-allow-origin"), null);
});

Deno.test("the log says what a client subscribes to: devices, prefixes, or all", async () => {
  const lines: string[] = [];
  await configure({
    reset: true,
    sinks: { memory: ({ message }) => void lines.push(message.map(String).join("")) },
    loggers: [
      { category: [], sinks: ["memory"], lowestLevel: "info" },
      { category: ["logtape", "meta"], sinks: [] },
    ],
  });
  try {
    await using rig = await Rig.start();
    const expected = {
      "": "every device",
      "device_ids=*": "every device",
      "device_ids=A,*,b*": "every device",
      "device_ids=A": "1 device",
      "device_ids=A,B&device_id=*": "3 devices",
      "device_ids=a*": "1 prefix",
      "device_ids=a*,b*,A,B": "2 devices and 2 prefixes",
    };
    for (const [query, what] of Object.entries(expected)) {
      await using _client = await rig.sse(query);
      assert.ok(lines.includes(`sse client connected: ${what}`), `${query}: ${lines.at(-1)}`);
    }
  } finally {
    await reset();
  }
});
