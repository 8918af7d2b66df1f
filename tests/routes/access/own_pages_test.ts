/** Without tokens: which pages a browser lets change something. Programs are not restricted. */

import assert from "node:assert/strict";
import { Hono } from "hono";
import { requireMayChange } from "../../../routes/access/origin.ts";
import type { ProblemError } from "../../../routes/http/problem.ts";
import { configOf } from "../../kit/config.ts";
import { HANDSHAKE } from "../raw.ts";
import { everyServer, Rig, type RigOptions } from "../rig.ts";
import { SECRET, sign } from "../signed.ts";

const JSON_TYPE = "application/json";
const FORM = "application/x-www-form-urlencoded";

interface Sent {
  readonly host?: string;
  readonly origin?: string;
  readonly site?: string;
  readonly type?: string;
  readonly token?: string;
}

/** Every route that changes something, with a body. */
const CHANGES: readonly (readonly [method: string, path: string, body: string])[] = [
  ["POST", "/api/v1/publish", '{"topic":"a","payload":1}'],
  ["POST", "/api/v1/devices/A/commands", '{"go":1}'],
  ["POST", "/api/v1/iot/telemetry", '{"device_id":"A","data":{}}'],
  ["POST", "/api/v1/iot/events", '{"device_id":"A","event":"e"}'],
  ["POST", "/api/v1/empresas", '{"id":"a","name":"A"}'],
  ["POST", "/api/v1/deliveries/x/retry", ""],
  ["POST", "/api/v1/tokens/revoke", '{"jti":"x"}'],
];

/** The status of a request sent by a page or a program. */
async function status(
  rig: Rig,
  [method, path, body]: (typeof CHANGES)[number],
  { host = `127.0.0.1:${rig.port}`, origin, site, type = JSON_TYPE, token }: Sent,
): Promise<number> {
  await using connection = await rig.raw();
  const lines = [
    `${method} ${path} HTTP/1.1`,
    `Host: ${host}`,
    ...(origin === undefined ? [] : [`Origin: ${origin}`]),
    ...(site === undefined ? [] : [`Sec-Fetch-Site: ${site}`]),
    ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
    ...(path === "/ws" ? HANDSHAKE : [`Content-Length: ${body.length}`]),
    ...(body === "" || type === "" ? [] : [`Content-Type: ${type}`]),
    ...["Connection: close", "", body],
  ];
  if (path === "/ws") lines.splice(lines.indexOf("Connection: close"), 1);
  await connection.write(new TextEncoder().encode(lines.join("\r\n")));
  return (await connection.head()).status;
}

const WS: (typeof CHANGES)[number] = ["GET", "/ws", ""];
const COMMAND = CHANGES[1]!;

async function open(env: RigOptions["env"] = {}): Promise<Rig> {
  return await Rig.start({ env, publish: () => Promise.resolve() });
}

everyServer.test("a page of another site changes nothing, on any route", async ({ start, t }) => {
  await using rig = await start({ publish: () => Promise.resolve() });
  const own = `127.0.0.1:${rig.port}`;
  const others: Sent[] = [
    ...[{ origin: "https://evil.example" }, { origin: "null" }, { origin: "file://" }],
    ...[{ origin: `http://127.0.0.1:${rig.port + 1}` }, { origin: "http://127.0.0.1" }],
    ...[{ origin: `http://${own}.evil.example` }, { origin: `http://${own}, http://evil.example` }],
    ...[{ origin: "" }, { origin: own }, { origin: `ftp://${own}` }, { origin: `http://u@${own}` }],
    ...[{ site: "cross-site" }, { site: "same-site" }, { site: "nonsense" }],
    { origin: `http://${own}`, site: "cross-site" },
    { origin: "chrome-extension://abcdefghijklmnop" },
  ];
  for (const change of [...CHANGES, WS]) {
    await t.step(change[1], async () => {
      const forms = ["text/plain", FORM].map((type) => ({ ...others[0], type }));
      for (const sent of [...others, ...forms]) {
        assert.equal(await status(rig, change, sent), 403, JSON.stringify(sent));
      }
    });
  }
});

Deno.test("our own page may change something with JSON, programs with any body", async (t) => {
  await using rig = await open();
  const origin = `http://127.0.0.1:${rig.port}`;
  const own: Sent[] = [
    ...[{ origin }, { origin, site: "same-origin" }, { site: "same-origin" }, { site: "none" }],
    { origin: origin.replace("http", "https") },
  ];
  for (const change of [...CHANGES, WS]) {
    await t.step(change[1], async () => {
      const plain = await status(rig, change, {});
      assert.ok(![403, 415].includes(plain), `${plain}`);
      for (const type of [FORM, "text/plain", "", JSON_TYPE, "nonsense"]) {
        assert.equal(await status(rig, change, { type }), plain, `a program, ${type}`);
      }
      for (const sent of own) {
        for (const type of [JSON_TYPE, "Application/JSON; charset=utf-8"]) {
          assert.equal(await status(rig, change, { ...sent, type }), plain, JSON.stringify(sent));
        }
        if (change[2] === "") continue;
        for (const type of [FORM, "text/plain", "", "text/json", "application/jsonx", "x;json"]) {
          const got = await status(rig, change, { ...sent, type });
          assert.equal(got, 415, JSON.stringify({ ...sent, type }));
        }
      }
    });
  }
});

Deno.test("a Host that an attacker can point here does not make a page our own (DNS rebinding)", async (t) => {
  for (const origins of ["*", "https://app.example", "https://app.example,*"]) {
    await using rig = await open({ CORS_ORIGINS: origins });
    const foreign = [
      ...["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example"],
      ...["1.2.3", "1.2.3.4.5", "256.1.1.1", "0x7f.1", "xlocalhost", "app.example.evil.example"],
      ...["*", "null", "10.0.0.1.nip.io"],
    ];
    for (const host of foreign) {
      await t.step(`${origins}: ${host}`, async () => {
        for (const change of [COMMAND, WS]) {
          for (const sent of [{ origin: `http://${host}` }, { site: "same-origin" }]) {
            const got = await status(rig, change, { host, ...sent });
            // An invalid Host may be refused before the origin is checked.
            assert.ok([400, 403].includes(got), `${got} ${JSON.stringify(sent)}`);
          }
        }
      });
    }
    const known = ["127.0.0.1", "192.168.1.7:8080", "[::1]:8000", "[fe80::1]", "localhost:99"];
    for (const host of [...known, "LOCALHOST", ...(origins === "*" ? [] : ["app.example"])]) {
      await t.step(`${origins}: ${host} is ours`, async () => {
        const sent = { host, origin: `https://${host.toLowerCase()}` };
        assert.equal(await status(rig, COMMAND, sent), 200);
        assert.equal(await status(rig, WS, sent), 101);
      });
    }
  }
});

Deno.test("a listed origin may send cross-site requests", async () => {
  await using rig = await open({ CORS_ORIGINS: "https://app.example:8443" });
  for (const change of [COMMAND, WS]) {
    const listed = { origin: "https://app.example:8443", site: "cross-site" };
    assert.ok([200, 101].includes(await status(rig, change, listed)));
    assert.equal(await status(rig, change, { origin: "https://app.example" }), 403);
  }
});

Deno.test("HOST identifies our own pages, too", async () => {
  // Not every machine has a name that it can listen on.
  const config = configOf({ HOST: "Fleet.internal" });
  const app = new Hono().post("/", (c) => {
    requireMayChange(c, config);
    return c.text("");
  });
  app.onError((error) => new Response(null, { status: (error as ProblemError).options.status }));
  const cases = [
    ["fleet.internal:8000", "http://fleet.internal:8000", 200],
    ["FLEET.internal", "https://fleet.internal", 200],
    ["fleet.internal", "https://evil.example", 403],
    ["fleet.internal.evil.example", "http://fleet.internal.evil.example", 403],
  ] as const;
  for (const [host, origin, status] of cases) {
    const response = await app.request("/", { method: "POST", headers: { host, origin } });
    assert.equal(response.status, status, `${host} ${origin}`);
  }
});

Deno.test("the origin null is never accepted, even if listed", async () => {
  await using rig = await open({ CORS_ORIGINS: "null,https://app.example" });
  assert.equal(await status(rig, COMMAND, { origin: "null" }), 403);
});

Deno.test("a stream changes nothing, so only CORS_ORIGINS applies", async () => {
  await using rig = await open();
  const stream = ["GET", "/api/v1/stream?device_ids=A", ""] as const;
  for (const sent of [{ origin: "https://evil.example", site: "cross-site" }, { origin: "null" }]) {
    assert.equal(await status(rig, stream, sent), 200);
  }
  await using client = await rig.ws("device_ids=A", { headers: { origin: "https://a.example" } });
  client.send({ action: "subscribe", device_ids: ["B"] });
  assert.equal((await client.waitForEvent("subscribed")).data, '{"device_ids":["A","B"]}');
});

Deno.test("with tokens only CORS_ORIGINS decides, since a page must know a token", async () => {
  const token = await sign({ scope: "admin", device_ids: "*" });
  const admin = { token, type: "text/plain" };
  {
    await using rig = await open({ AUTH_JWT_SECRET: SECRET });
    for (const change of CHANGES) {
      for (const sent of [{ origin: "https://any.example" }, { site: "cross-site" }]) {
        const got = await status(rig, change, { ...sent, ...admin });
        assert.ok(![401, 403, 415].includes(got), `${change[1]} ${got}`);
      }
    }
  }
  await using rig = await open({ AUTH_JWT_SECRET: SECRET, CORS_ORIGINS: "https://app.example" });
  const own = { host: "fleet.example", origin: "https://fleet.example" };
  assert.equal(await status(rig, COMMAND, { ...own, ...admin }), 200);
  assert.equal(await status(rig, COMMAND, { origin: "https://app.example", ...admin }), 200);
  assert.equal(await status(rig, COMMAND, { origin: "https://any.example", ...admin }), 403);
});
