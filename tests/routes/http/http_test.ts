/** What all routes have in common: problem documents, methods, limits, health. */

import assert from "node:assert/strict";
import { RawConnection } from "../raw.ts";
import { Rig } from "../rig.ts";

/** Fails unless the answer is a problem document; returns it. */
async function problemOf(response: Response, status: number, code: string) {
  const text = await response.text();
  assert.equal(response.status, status, text);
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  const document = JSON.parse(text);
  assert.deepEqual(Object.keys(document), ["type", "title", "status", "detail", "code"]);
  assert.deepEqual([document.status, document.code], [status, code]);
  assert.doesNotMatch(text, /\.ts:\d|\bat [\w.]+ \(|node_modules|file:\/\//);
  return document;
}

const post = (body: BodyInit | null, headers: Record<string, string> = {}): RequestInit => ({
  method: "POST",
  body,
  headers: { "content-type": "application/json", ...headers },
});

Deno.test("an unknown path is a 404 problem, whatever the method", async () => {
  await using rig = await Rig.start();
  for (
    const path of ["/nope", "/api", "/api/v1", "/api/v1/streams", "/api/v1/stream/x", "/..%2f"]
  ) {
    for (const method of ["GET", "POST", "DELETE"]) {
      await problemOf(await rig.fetch(path, { method }), 404, "not_found");
    }
  }
  const { detail } = await problemOf(
    await rig.fetch(`/${"x".repeat(5000)}`),
    404,
    "not_found",
  );
  assert.ok(detail.length < 400);
});

Deno.test("a method that a route does not support is a 405 problem, with Allow", async () => {
  await using rig = await Rig.start();
  const routes: Record<string, string> = {
    "/api/v1/stream": "GET, HEAD",
    "/api/v1/stream/stats": "GET, HEAD",
    "/api/v1/stats": "GET, HEAD",
    "/api/v1/devices": "GET, HEAD",
    "/api/v1/devices/A": "GET, HEAD",
    "/api/v1/devices/A/messages": "GET, HEAD",
    "/api/v1/publish": "POST",
    "/api/v1/devices/A/commands": "POST",
    "/api/v1/empresas": "GET, HEAD, POST",
    "/livez": "GET, HEAD",
    "/readyz": "GET, HEAD",
  };
  for (const [path, allow] of Object.entries(routes)) {
    for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH"]) {
      if (allow.split(", ").includes(method)) continue;
      const response = await rig.fetch(path, { method });
      assert.equal(response.headers.get("allow"), allow, `${method} ${path}`);
      await problemOf(response, 405, "method_not_allowed");
    }
  }
});

Deno.test("HEAD answers as GET, without a body", async () => {
  await using rig = await Rig.start();
  rig.publish("A", 1);
  for (const path of ["/livez", "/readyz", "/api/v1/stream/stats", "/api/v1/devices/A"]) {
    const response = await rig.fetch(path, { method: "HEAD" });
    assert.deepEqual([response.status, await response.text()], [200, ""]);
  }
});

Deno.test("invalid bodies: not JSON, wrong form, too large", async (t) => {
  await using rig = await Rig.start();
  const path = "/api/v1/publish";
  for (const body of ["", "nonsense", "{", '{"topic":"a",}', "\0", "{'topic':1}"]) {
    await t.step(`not JSON: ${JSON.stringify(body)}`, async () => {
      await problemOf(await rig.fetch(path, post(body)), 400, "bad_json");
    });
  }
  const wrong: Record<string, RegExp> = {
    "null": /^The body must be a JSON object$/,
    "5": /^The body must be a JSON object$/,
    "[]": /^The body must be a JSON object$/,
    '"text"': /^The body must be a JSON object$/,
    "{}": /^topic: is missing; payload: is missing$/,
    '{"topic":"a"}': /payload: /,
    '{"topic":5,"payload":1}': /^topic: must be a text$/,
    '{"topic":"a","payload":1,"qos":3}': /^qos: must be 0, 1 or 2$/,
    '{"topic":"a","payload":1,"qos":"1"}': /qos: /,
    '{"payload":1,"qos":-1}': /topic: .*qos: /,
  };
  for (const [body, detail] of Object.entries(wrong)) {
    await t.step(`of the wrong form: ${body.slice(0, 60)}`, async () => {
      const document = await problemOf(await rig.fetch(path, post(body)), 400, "bad_body");
      assert.match(document.detail, detail);
    });
  }
  await t.step("too large, with and without a length", async () => {
    const body = JSON.stringify({ topic: "a", payload: "x".repeat(300_000) });
    await problemOf(await rig.fetch(path, post(body)), 413, "body_too_large");
    const chunked = ReadableStream.from([new TextEncoder().encode(body)]);
    await problemOf(await rig.fetch(path, post(chunked)), 413, "body_too_large");
    await using connection = await RawConnection.open(rig.port);
    await connection.request(path, ["Content-Length: 99999999999"], "POST");
    assert.equal((await connection.head()).status, 413);
  });
  await t.step("many levels, and too many", async () => {
    const nested = (levels: number) =>
      post(`{"topic":"a","payload":${"[".repeat(levels)}${"]".repeat(levels)}}`);
    await problemOf(await rig.fetch(path, nested(999)), 503, "no_mqtt_broker");
    await problemOf(await rig.fetch(path, nested(100_000)), 400, "bad_json");
  });
});

Deno.test("an unexpected error is a 500 problem without its cause", async () => {
  await using rig = await Rig.start({
    sources: () => {
      throw new Error("secret of the inside");
    },
  });
  const { detail } = await problemOf(await rig.fetch("/api/v1/stats"), 500, "internal_error");
  assert.doesNotMatch(detail, /secret/);
});

Deno.test("problems may be read by a page of another origin", async () => {
  await using rig = await Rig.start();
  for (const path of ["/nope", "/api/v1/stream?mode=x", "/api/v1/devices/unknown"]) {
    const response = await rig.fetch(path, { headers: { origin: "https://a.example" } });
    await response.body?.cancel();
    assert.equal(response.headers.get("access-control-allow-origin"), "*", path);
  }
});

Deno.test("livez and readyz: starting, serving, degraded, draining", async () => {
  await using rig = await Rig.start();
  const states = async () => {
    const live = await rig.fetch("/livez");
    const ready = await rig.fetch("/readyz");
    assert.deepEqual([live.status, await live.json()], [200, { status: "ok" }]);
    return [ready.status, await ready.json()];
  };
  rig.health.phase = "starting";
  assert.deepEqual(await states(), [503, { status: "starting" }]);
  rig.health.phase = "serving";
  assert.deepEqual(await states(), [200, { status: "ok" }]);
  rig.health.report("mqtt", "connection refused");
  rig.health.report("store", "away");
  assert.deepEqual(await states(), [200, {
    status: "degraded",
    reasons: ["mqtt: connection refused", "store: away"],
  }]);
  rig.health.report("mqtt", undefined);
  rig.health.report("store", undefined);
  assert.deepEqual(await states(), [200, { status: "ok" }]);
  rig.health.phase = "draining";
  assert.deepEqual(await states(), [503, { status: "draining" }]);
});

Deno.test("during the start the API answers 503 with Retry-After, while health and pages work", async () => {
  await using rig = await Rig.start();
  rig.health.phase = "starting";
  for (const path of ["/api/v1/stream/stats", "/api/v1/devices", "/api/v1/stats"]) {
    const response = await rig.fetch(path);
    assert.match(response.headers.get("retry-after") ?? "", /^\d+$/);
    await problemOf(response, 503, "starting");
  }
  for (const path of ["/", "/client.js", "/livez"]) {
    const response = await rig.fetch(path);
    await response.body?.cancel();
    assert.equal(response.status, 200);
  }
});
