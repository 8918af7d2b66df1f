/** Access control: every route and trick by which a token could see another's device. */

import assert from "node:assert/strict";
import { type JWTPayload, SignJWT } from "jose";
import { eventually } from "../../kit/eventually.ts";
import { HANDSHAKE, RawConnection } from "../raw.ts";
import { numbered, Rig, type RigOptions } from "../rig.ts";

const SECRET = "a secret of at least thirty-two bytes";
const GUARDED: RigOptions = { env: { AUTH_JWT_SECRET: SECRET, AUTH_CLOCK_SKEW_SECONDS: "0" } };

function sign(claims: JWTPayload, { secret = SECRET, alg = "HS256" } = {}): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg }).sign(new TextEncoder().encode(secret));
}

/** A token for device A and the prefixes p and longer. */
const token = (more: JWTPayload = {}) =>
  sign({ scope: "stream", device_ids: ["A", "p*", "longer*"], ...more });

const bearer = (text: string) => ({ headers: { authorization: `Bearer ${text}` } });

Deno.test("every route requires a token with its scope, except those open to all", async () => {
  await using rig = await Rig.start(GUARDED);
  const routes: readonly (readonly [method: string, path: string, scope: string])[] = [
    ["GET", "/api/v1/stream", "stream"],
    ["GET", "/api/v1/stream/stats", "stream"],
    ["GET", "/api/v1/stats", "admin"],
    ["GET", "/api/v1/devices", "stream"],
    ["GET", "/api/v1/devices/A", "stream"],
    ["GET", "/api/v1/devices/A/messages", "stream"],
    ["POST", "/api/v1/publish", "admin"],
    ["POST", "/api/v1/devices/A/commands", "publish"],
    ["POST", "/api/v1/iot/telemetry", "publish"],
    ["POST", "/api/v1/iot/events", "publish"],
    ["GET", "/api/v1/iot/status", "admin"],
    ["GET", "/api/v1/empresas", "stream"],
    ["POST", "/api/v1/empresas", "admin"],
    ["GET", "/api/v1/deliveries", "admin"],
    ["POST", "/api/v1/deliveries/x/retry", "admin"],
    ["GET", "/metrics", "metrics"],
    ["GET", "/ws", "publish"],
  ];
  for (const [method, path, scope] of routes) {
    const none = await rig.fetch(path, { method });
    assert.equal(none.status, 401, path);
    assert.equal(none.headers.get("www-authenticate"), "Bearer");
    assert.equal(none.headers.get("content-type"), "application/problem+json");
    assert.equal((await none.json()).code, "token_required");
    for (const other of ["stream", "publish", "metrics", "admin", "", "STREAM", "streams"]) {
      const text = await sign({ scope: other, device_ids: ["A"] });
      const response = await rig.fetch(path, { method, ...bearer(text) });
      await response.body?.cancel();
      if (other === scope || other === "admin") {
        assert.ok(![401, 403].includes(response.status), `${path} ${other}`);
      } else assert.equal(response.status, 403, `${path} ${other}`);
    }
  }
  for (const path of ["/livez", "/readyz", "/", "/client.js", "/asyncapi.json"]) {
    const response = await rig.fetch(path);
    await response.body?.cancel();
    assert.equal(response.status, 200, path);
  }
});

Deno.test("an invalid token gets 401 before any stream, and is not repeated", async (t) => {
  await using rig = await Rig.start({
    env: { ...GUARDED.env, AUTH_AUDIENCE: "telecast", AUTH_ISSUER: "https://id.example" },
  });
  const claims = { scope: "stream", device_ids: "A", aud: "telecast", iss: "https://id.example" };
  const now = Math.floor(Date.now() / 1000);
  const good = await sign(claims);
  const [head, body, signature] = good.split(".") as [string, string, string];
  const unsigned = btoa(JSON.stringify({ alg: "none" })).replaceAll("=", "");
  const bad: Record<string, string> = {
    "another secret": await sign(claims, { secret: "another secret of thirty-two bytes!" }),
    "another algorithm": await sign(claims, { alg: "HS512" }),
    "no algorithm": `${unsigned}.${body}.`,
    "no algorithm, signed": `${unsigned}.${body}.${signature}`,
    "another body": `${head}.${btoa('{"scope":"stream"}').replaceAll("=", "")}.${signature}`,
    "no signature": `${head}.${body}.`,
    "garbage": "garbage",
    "three dots": "...",
    "expired": await sign({ ...claims, exp: now - 1 }),
    "not yet": await sign({ ...claims, nbf: now + 100 }),
    "another audience": await sign({ ...claims, aud: "other" }),
    "no audience": await sign({ scope: "stream", device_ids: "A", iss: claims.iss }),
    "another issuer": await sign({ ...claims, iss: "https://evil.example" }),
    "20 KB": `${head}.${"x".repeat(20_000)}.${signature}`,
  };
  for (const [name, text] of Object.entries(bad)) {
    await t.step(name, async () => {
      const response = await rig.fetch("/api/v1/stream", bearer(text));
      const problem = await response.text();
      assert.equal(response.status, 401);
      const { code } = JSON.parse(problem);
      assert.equal(code, name === "expired" ? "token_expired" : "bad_token");
      assert.ok(!problem.includes(text.slice(0, 20)));
      await using connection = await RawConnection.open(rig.port);
      await connection.request(`/api/v1/stream?device_ids=A&access_token=${text}`, HANDSHAKE);
      assert.equal((await connection.head()).status, 401);
    });
  }
  await using client = await rig.sse("device_ids=A", bearer(good));
  assert.equal(client.response.status, 200);
  assert.equal(rig.hub.totals.ws.connections + rig.hub.totals.sse.connections, 1);
});

Deno.test("a token is accepted in the header, in the query, or as a subprotocol, which is selected", async () => {
  await using rig = await Rig.start(GUARDED);
  const text = await token();
  await using _header = await rig.ws("device_ids=A", bearer(text));
  await using _query = await rig.ws(`device_ids=A&access_token=${text}`);
  await using offered = await rig.ws("device_ids=A", { protocols: [`bearer.${text}`] });
  assert.equal(offered.protocol, `bearer.${text}`);
  await using _sse = await rig.sse(`device_ids=A&access_token=${text}`);
  await using _both = await rig.ws("device_ids=A", { protocols: ["telecast", `bearer.${text}`] });
  assert.equal(rig.hub.sessions.size, 5);
  for (const scheme of ["bearer", "BEARER"]) {
    const headers = { authorization: `${scheme} ${text}` };
    assert.equal((await rig.json("/api/v1/devices", { headers })).next, null);
  }
  // The header takes precedence, even if it contains no token.
  for (const authorization of ["Basic dTpw", text, "Bearer", ""]) {
    const response = await rig.fetch(`/api/v1/devices?access_token=${text}`, {
      headers: { authorization },
    });
    await response.body?.cancel();
    assert.equal(response.status, 401, authorization);
  }
});

Deno.test("a stream of devices that are not granted gets 403, on both transports", async () => {
  await using rig = await Rig.start(GUARDED);
  const text = await token();
  const tricks = [
    "B",
    "A,B",
    "AB",
    "A*",
    "*,B",
    "o*",
    "a",
    " B ",
    "A,A*",
    "%42",
    "q*",
    "P1",
    "long*",
    "long",
  ];
  for (const ids of tricks) {
    const path = `/api/v1/stream?device_ids=${ids}`;
    const response = await rig.fetch(path, bearer(text));
    assert.equal(response.status, 403, ids);
    assert.equal(response.headers.get("content-type"), "application/problem+json");
    assert.equal((await response.json()).code, "device_not_granted");
    await using connection = await RawConnection.open(rig.port);
    await connection.request(path.replaceAll(" ", "%20"), [
      ...HANDSHAKE,
      `Authorization: Bearer ${text}`,
    ]);
    assert.equal((await connection.head()).status, 403, ids);
  }
  for (const device_ids of [[], "", undefined, null, 5, { A: true }]) {
    const none = await sign({ scope: "stream", device_ids });
    const response = await rig.fetch("/api/v1/stream", bearer(none));
    await response.body?.cancel();
    assert.equal(response.status, 403, JSON.stringify(device_ids));
  }
  assert.equal(rig.hub.totals.sse.connections + rig.hub.totals.ws.connections, 0);
  const within = "A,p,p*,p1,p1*,pp*,longer,longer*,longer2*";
  await using client = await rig.sse(`device_ids=${within}`, bearer(text));
  assert.equal(client.response.status, 200);
});

for (const transport of ["ws", "sse"] as const) {
  Deno.test(`${transport}: * means everything granted, in snapshot, replay, presence, latest and batch`, async () => {
    await using rig = await Rig.start(GUARDED);
    const text = await token();
    for (const id of ["A", "B", "p1", "q"]) rig.publish(id, 1);
    const everything = `device_ids=*&snapshot=1&presence=1&since=${rig.cursorAt(0)}`;
    const queries = [
      everything,
      `${everything}&mode=latest`,
      ...(transport === "ws" ? [`${everything}&batch_ms=10`] : ["snapshot=1"]),
    ];
    for (const [i, query] of queries.entries()) {
      await using client = await rig.open(transport, `${query}&access_token=${text}`);
      const first = query.includes("since") ? "resumed" : "snapshot";
      await client.waitForEvent(first);
      for (const id of ["B", "q", "p2", "A"]) rig.publish(id, 2 + i);
      await client.waitFor(({ data }) => data.includes(numbered("A", 2 + i)));
      const seen = client.events.items.map(({ data }) => data).join("\n");
      assert.doesNotMatch(seen, /"(B|q)"/);
      for (const id of ["A", "p1", "p2"]) assert.match(seen, new RegExp(`"${id}"`));
    }
  });
}

Deno.test("a command for a device that is not granted gets an error frame, and changes nothing", async () => {
  await using rig = await Rig.start(GUARDED);
  rig.publish("B", 1);
  await using client = await rig.ws(`device_ids=A&access_token=${await token()}`);
  for (const device_ids of [["B"], ["p1", "B"], ["A*"], ["*", "B"]]) {
    for (const more of [{}, { snapshot: true }, { since: rig.cursorAt(0) }]) {
      const from = client.events.items.length;
      client.send({ action: "subscribe", device_ids, ...more });
      const { data } = await client.waitForEvent("error", { from });
      assert.equal(JSON.parse(data).code, "device_not_granted");
    }
  }
  client.send({ action: "subscribe", device_ids: ["*"], since: rig.cursorAt(0), snapshot: true });
  const { data } = await client.waitForEvent("subscribed");
  assert.equal(data, '{"device_ids":["A","p*","longer*"]}');
  await client.waitForEvent("resumed");
  rig.publish("B", 2);
  rig.publish("p1", 2);
  await client.waitForMessages(1);
  assert.deepEqual(client.payloads, [numbered("p1", 2)]);
  const from = client.events.items.length;
  client.send({ action: "unsubscribe", device_ids: ["*"] });
  assert.equal((await client.waitForEvent("subscribed", { from })).data, '{"device_ids":[]}');
});

Deno.test("lists, last messages and history show only granted devices; others get 403, known or not", async () => {
  await using rig = await Rig.start(GUARDED);
  for (const id of ["B", "A", "q", "p1", "A/messages", "C"]) rig.publish(id, 1);
  const as = bearer(await token());
  const { devices, next } = await rig.json("/api/v1/devices?limit=1", as);
  assert.deepEqual(devices.map(({ device_id }: { device_id: string }) => device_id), ["A"]);
  const rest = await rig.json(`/api/v1/devices?limit=10&next=${next}`, as);
  assert.deepEqual(rest.devices.map(({ device_id }: { device_id: string }) => device_id), ["p1"]);
  for (const id of ["B", "unknown", "A%2Fmessages", "*", "p", "a", "%41%42"]) {
    for (const more of ["", "/messages", `/messages?since=${rig.cursorAt(0)}`]) {
      const path = `/api/v1/devices/${id}${more}`;
      const response = await rig.fetch(path, as);
      const text = await response.text();
      if (id === "p") assert.equal(response.status, 404, "p* covers p, which is unknown");
      else assert.equal(response.status, 403, path);
      assert.doesNotMatch(text, /"n":1/);
    }
  }
  for (const id of ["A", "p1", "%41"]) {
    assert.equal((await rig.fetch(`/api/v1/devices/${id}`, as).then((r) => r.json())).message.n, 1);
  }
  for (const path of ["/api/v1/devices/A/", "//api/v1/devices/B", "/api/v1/../v1/devices/B"]) {
    const response = await rig.fetch(path, as);
    assert.doesNotMatch(await response.text(), /"n":1/);
  }
});

Deno.test("commands to a device require the scope publish and that device", async () => {
  const sent: string[] = [];
  await using rig = await Rig.start({
    ...GUARDED,
    publish: ({ topic }) => {
      sent.push(topic);
      return Promise.resolve();
    },
  });
  const as = bearer(await token({ scope: "publish" }));
  for (const [id, status] of [["A", 200], ["p7", 200], ["B", 403], ["A%20B", 403]] as const) {
    const response = await rig.fetch(`/api/v1/devices/${id}/commands`, {
      method: "POST",
      body: '{"go":1}',
      ...as,
    });
    await response.body?.cancel();
    assert.equal(response.status, status, id);
  }
  assert.deepEqual(sent, ["bombercat/commands/A", "bombercat/commands/p7"]);
});

Deno.test("a stream ends with goodbye when its token expires, and not before", async () => {
  await using rig = await Rig.start(GUARDED);
  const exp = Math.floor(Date.now() / 1000) + 2;
  const brief = await token({ exp });
  const ws = await rig.ws(`device_ids=A&access_token=${brief}`);
  await using sse = await rig.sse("device_ids=A", bearer(brief));
  await using lasting = await rig.ws(
    `device_ids=A&access_token=${await token({ exp: exp + 1e7 })}`,
  );
  rig.publish("A", 1);
  await ws.waitForMessages(1);
  for (const client of [ws, sse]) {
    const { data, id } = await client.waitForEvent("goodbye");
    assert.equal(data, '{"reason":"token_expired","reconnect_ms":0}');
    assert.equal(id, rig.cursor);
    assert.ok(Date.now() >= exp * 1000);
  }
  assert.equal((await ws.waitForClose()).code, 1001);
  await sse.waitForEnd();
  await eventually("they are gone", () => rig.hub.sessions.size === 1);
  rig.publish("A", 2);
  await lasting.waitForMessages(2);
  const again = await rig.fetch("/api/v1/stream?device_ids=A", bearer(brief));
  assert.deepEqual([again.status, (await again.json()).code], [401, "token_expired"]);
});

Deno.test("AUTH_CLOCK_SKEW_SECONDS extends an expired token, and its stream", async () => {
  await using rig = await Rig.start({
    env: { AUTH_JWT_SECRET: SECRET, AUTH_CLOCK_SKEW_SECONDS: "60" },
  });
  const now = Math.floor(Date.now() / 1000);
  await using client = await rig.sse("device_ids=A", bearer(await token({ exp: now - 30 })));
  rig.publish("A", 1);
  await client.waitForMessages(1);
  const late = await rig.fetch("/api/v1/devices", bearer(await token({ exp: now - 90 })));
  assert.deepEqual([late.status, (await late.json()).code], [401, "token_expired"]);
  rig.publish("A", 2);
  await client.waitForMessages(2);
});

Deno.test("without a secret everything is open", async () => {
  await using rig = await Rig.start();
  const response = await rig.fetch("/api/v1/stats", bearer("garbage"));
  await response.body?.cancel();
  assert.equal(response.status, 200);
});
