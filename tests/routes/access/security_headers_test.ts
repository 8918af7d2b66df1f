/** The headers of every answer for browsers. */

import assert from "node:assert/strict";
import { HANDSHAKE, RawConnection } from "../raw.ts";
import { Rig } from "../rig.ts";
import { bearer, SECRET } from "../signed.ts";

const PAGES = ["/", "/ops", "/docs"];

Deno.test("every answer has nosniff, a referrer policy, and a content security policy", async () => {
  await using rig = await Rig.start();
  rig.publish("A", 1);
  const paths = [
    ...PAGES,
    ...["/client.js", "/livez", "/readyz", "/metrics", "/openapi.json", "/nope"],
    ...["/api/v1/stream", "/api/v1/stream?mode=x", "/api/v1/devices", "/api/v1/devices/A"],
  ];
  for (const path of paths) {
    const { headers, body } = await rig.fetch(path);
    await body?.cancel();
    assert.equal(headers.get("x-content-type-options"), "nosniff", path);
    const isPage = PAGES.includes(path);
    const policy = headers.get("content-security-policy")!;
    assert.match(
      policy,
      isPage ? /^default-src 'none'; .*frame-ancestors 'self'$/ : /^frame-ancestors 'none'$/,
      path,
    );
    assert.doesNotMatch(policy, /unsafe|https?:|\*/, path);
    assert.equal(
      headers.get("referrer-policy"),
      isPage ? "strict-origin-when-cross-origin" : "no-referrer",
      path,
    );
    assert.equal(headers.get("strict-transport-security"), null, "only with TLS");
    if (path.startsWith("/api/") && !path.endsWith("stream")) {
      assert.equal(headers.get("cache-control"), "no-store", path);
    }
  }
});

Deno.test("errors have these headers, too: 401, 405, 413, 503", async () => {
  await using rig = await Rig.start({ env: { AUTH_JWT_SECRET: SECRET } });
  const answers = [
    await rig.fetch("/api/v1/devices"),
    await rig.fetch("/api/v1/devices", bearer("garbage")),
    await rig.fetch("/livez", { method: "POST" }),
    await rig.fetch("/api/v1/publish", { method: "POST", body: "x".repeat(300_000) }),
  ];
  rig.health.phase = "starting";
  answers.push(await rig.fetch("/api/v1/devices"));
  assert.deepEqual(answers.map(({ status }) => status), [401, 401, 405, 413, 503]);
  for (const { headers, body } of answers) {
    await body?.cancel();
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("content-type"), "application/problem+json");
  }
});

Deno.test("a WebSocket's handshake gets no additional headers", async () => {
  await using rig = await Rig.start();
  await using connection = await RawConnection.open(rig.port);
  await connection.request("/api/v1/stream?device_ids=A", HANDSHAKE);
  const { status, headers } = await connection.head();
  assert.equal(status, 101);
  assert.deepEqual([...headers.keys()], ["connection", "sec-websocket-accept", "upgrade"]);
});

Deno.test("with TLS the server asks browsers to keep using TLS", async () => {
  await using rig = await Rig.start({ server: "tls" });
  const response = await rig.fetch("/livez");
  await response.body?.cancel();
  assert.equal(response.headers.get("strict-transport-security"), "max-age=31536000");
});
