/** Whatever the request, the server gives a valid answer and keeps running. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { eventually } from "../kit/eventually.ts";
import { frame, HANDSHAKE } from "../routes/raw.ts";
import { Rig, type StartRig } from "../routes/rig.ts";
import { SERVER_KINDS } from "../routes/servers.ts";
import { bearer, SECRET, sign } from "../routes/signed.ts";
import { fuzz, headerText, nasty, type Options, someBytes } from "./fuzz.ts";

const PARAMETERS = [
  "device_ids",
  "since",
  "snapshot",
  "mode",
  "max_rate",
  "batch_ms",
  "presence",
  "access_token",
  "scope",
  "limit",
  "next",
  "state",
];
const GETS = [
  "/api/v1/stream",
  "/api/v1/stream/stats",
  "/api/v1/stats",
  "/api/v1/devices",
  "/api/v1/devices/A",
  "/api/v1/devices/A/messages",
  "/api/v1/deliveries",
  "/api/v1/tokens/revoked",
  "/metrics",
  "/ws",
  "/",
  "/nope",
];
const POSTS = [
  "/api/v1/publish",
  "/api/v1/devices/A/commands",
  "/api/v1/iot/telemetry",
  "/api/v1/iot/events",
  "/api/v1/empresas",
  "/api/v1/tokens/revoke",
];

/** Runs on every server; on those other than the default, an eighth of the runs. */
function fuzzServers(
  title: string,
  runs: number,
  hold: (start: StartRig, options: Options) => Promise<void>,
): void {
  for (const server of SERVER_KINDS) {
    fuzz(
      `${server}: ${title}`,
      server === "server" ? runs : Math.ceil(runs / 8),
      (options) => hold((more) => Rig.start({ ...more, server }), options),
    );
  }
}

/** An answer is what the route is for, or a problem with a code and without internals. */
async function sound(response: Response): Promise<void> {
  if (response.headers.get("content-type") === "text/event-stream") {
    return await response.body?.cancel();
  }
  const text = await response.text();
  assert.ok(response.status < 500 || response.status === 503, `${response.status} ${text}`);
  if (response.status < 400) return;
  assert.equal(response.headers.get("content-type"), "application/problem+json", text);
  const { code } = JSON.parse(text);
  assert.match(code, /^[a-z_]+$/);
  assert.doesNotMatch(text, /\.ts:\d|\bat [\w.]+ \(|node_modules|file:\/\//);
}

const query = fc.array(fc.tuple(fc.constantFrom(...PARAMETERS), nasty()), { maxLength: 5 })
  .map((pairs) => new URLSearchParams(pairs).toString());

fuzzServers("queries: every answer is valid", 400, async (start, options) => {
  await using rig = await start();
  rig.publish("A", 1);
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...GETS), query, async (path, text) => {
      await sound(await rig.fetch(`${path}?${text}`));
    }),
    options,
  );
  await eventually("no stream is left", () => rig.hub.sessions.size === 0);
});

fuzzServers("paths: every answer is valid", 200, async (start, options) => {
  await using rig = await start();
  await fc.assert(
    fc.asyncProperty(
      nasty(),
      nasty(),
      fc.constantFrom("GET", "POST", "PUT"),
      async (a, b, method) => {
        const path = [a, b].map((part) => encodeURIComponent(part.toWellFormed())).join("/");
        for (const start of ["/", "/api/v1/devices/", "/assets/", "/api/v1/deliveries/"]) {
          await sound(await rig.fetch(start + path, { method }));
        }
      },
    ),
    options,
  );
});

fuzzServers(
  "headers: every answer is valid, and no unsigned token is accepted",
  200,
  async (start, options) => {
    await using rig = await start({
      env: { AUTH_JWT_SECRET: SECRET, CORS_ORIGINS: "https://a.example", TRUST_PROXY: "true" },
    });
    const names = [
      "authorization",
      "last-event-id",
      "origin",
      "x-forwarded-for",
      "content-type",
      "range",
      "if-none-match",
      "accept-encoding",
      "sec-websocket-protocol",
    ];
    const headers = fc.array(fc.tuple(fc.constantFrom(...names), headerText()), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...GETS), headers, async (path, pairs) => {
        const response = await rig.fetch(path, {
          headers: new Headers(pairs as [string, string][]),
        });
        if (path.startsWith("/api/") || path === "/metrics") assert.equal(response.status, 401);
        await sound(response);
      }),
      options,
    );
  },
);

fuzzServers("bodies: every answer is valid", 200, async (start, options) => {
  await using rig = await start({ publish: () => Promise.resolve() });
  const body = fc.oneof(
    fc.json({ maxDepth: 4 }),
    nasty().map((text) => JSON.stringify({ topic: text, payload: text, qos: 1 })),
    nasty().map((text) => JSON.stringify({ device_id: text, data: {}, event: text })),
    nasty().map((text) => JSON.stringify({ id: text, name: text, jti: text, sub: text })),
    someBytes(),
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...POSTS), body, async (path, body) => {
      await sound(await rig.fetch(path, { method: "POST", body }));
    }),
    options,
  );
});

fuzzServers("bytes that are not HTTP: the server keeps running", 100, async (start, options) => {
  await using rig = await start();
  const beginning = fc.constantFrom(
    "",
    "GET / HTTP/1.1\r\n",
    "POST / HTTP/1.1\r\nContent-Length: ",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  );
  await fc.assert(
    fc.asyncProperty(beginning, someBytes(), async (head, bytes) => {
      await using connection = await rig.raw();
      await connection.write(new TextEncoder().encode(head)).catch(() => {});
      await connection.write(bytes).catch(() => {});
    }),
    options,
  );
  assert.equal((await rig.json("/livez")).status, "ok");
});

fuzzServers(
  "WebSocket frames: the client is served or closed, and no other client is affected",
  150,
  async (start, options) => {
    await using rig = await start();
    await using other = await rig.ws("device_ids=A");
    let n = 0;
    const action = fc.constantFrom("subscribe", "unsubscribe", "ping", "dance");
    const command = fc.record({
      action,
      device_ids: fc.oneof(fc.array(nasty(140), { maxLength: 5 }), fc.jsonValue()),
      since: fc.oneof(nasty(70), fc.jsonValue()),
      snapshot: fc.oneof(fc.boolean(), fc.jsonValue()),
    }, { requiredKeys: [] }).map((value) => JSON.stringify(value));
    const piece = fc.record({
      payload: fc.oneof(command, nasty(), someBytes()),
      opcode: fc.oneof({ weight: 5, arbitrary: fc.constant(1) }, fc.integer({ min: 0, max: 15 })),
      fin: fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, fc.boolean()),
      rsv: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 7 })),
      more: fc.oneof(
        { weight: 9, arbitrary: fc.constant(0) },
        fc.integer({ min: -3, max: 100_000 }),
      ),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 6 }), async (pieces) => {
        await using connection = await rig.raw();
        await connection.request("/api/v1/stream?device_ids=B", HANDSHAKE);
        assert.equal((await connection.head()).status, 101);
        for (const { payload, more, ...rest } of pieces) {
          const length = typeof payload === "string"
            ? new TextEncoder().encode(payload).length
            : payload.length;
          const bytes = frame(payload, { ...rest, length: Math.max(0, length + more) });
          await connection.write(bytes).catch(() => {});
        }
        rig.publish("A", ++n);
        await other.waitForMessages(n);
      }),
      options,
    );
    await eventually("they are gone", () => rig.hub.sessions.size === 1);
  },
);

fuzzServers("tokens that were changed are never accepted", 300, async (start, options) => {
  await using rig = await start({ env: { AUTH_JWT_SECRET: SECRET } });
  const good = await sign({ scope: "admin stream publish", device_ids: "*", jti: "1" });
  assert.equal((await rig.fetch("/api/v1/stats", bearer(good))).status, 200);
  const [head, body] = good.split(".") as [string, string];
  const changed = fc.oneof(
    fc.tuple(fc.nat(good.length - 1), fc.constantFrom(..."ABCxyz019-_.=")).map(([at, char]) =>
      good.slice(0, at) + char + good.slice(at + 1)
    ),
    fc.nat(good.length - 1).map((length) => good.slice(0, length)),
    headerText().map((text) => `${head}.${body}.${text.replaceAll(" ", "")}`),
    fc.json().map((claims) => `${head}.${base64url(claims)}.${good.split(".")[2]}`),
    fc.constantFrom("none", "None", "HS512", "RS256", "ES256", "").map((alg) =>
      `${base64url(JSON.stringify({ alg }))}.${body}.`
    ),
  );
  const signature = (token: string) => decoded(token.split(".")[2] ?? "");
  await fc.assert(
    fc.asyncProperty(changed, async (token) => {
      // The last character of a signature has unused bits.
      const same = token.startsWith(`${head}.${body}.`) && signature(token) === signature(good);
      fc.pre(!same);
      const response = await rig.fetch("/api/v1/stats", bearer(token));
      assert.equal(response.status, 401);
      await sound(response);
    }),
    options,
  );
});

function base64url(text: string): string {
  return new TextEncoder().encode(text).toBase64({ alphabet: "base64url", omitPadding: true });
}

function decoded(text: string): string | undefined {
  try {
    return Uint8Array.fromBase64(text, { alphabet: "base64url" }).toHex();
  } catch {
    return undefined;
  }
}
