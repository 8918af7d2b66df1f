/** Limits: each refuses with a clear answer, is counted, and lets others through. */

import assert from "node:assert/strict";
import { closed, problems } from "../../../telemetry/metrics.ts";
import { eventually } from "../../kit/eventually.ts";
import { everyServer, range, Rig } from "../rig.ts";
import { bearer, posted, SECRET, sign } from "../signed.ts";

async function refusal(response: Response, status: number, code: string): Promise<void> {
  const body = await response.json();
  assert.deepEqual([response.status, body.code], [status, code], JSON.stringify(body));
  if (status === 429 || status === 503) {
    assert.match(response.headers.get("retry-after") ?? "", /^\d+$/);
  }
}

/** Counts how often a code is refused from now on; the counters belong to the process. */
async function counting(code: string): Promise<() => Promise<number>> {
  const total = async () => {
    const figures = [
      ...(await problems.counter.get()).values,
      ...(await closed.counter.get()).values,
    ];
    return figures.find(({ labels }) => Object.values(labels).includes(code))?.value ?? 0;
  };
  const before = await total();
  return async () => await total() - before;
}

everyServer.test("MAX_CONNECTIONS counts streams and /ws together", async ({ start }) => {
  await using rig = await start({ env: { MAX_CONNECTIONS: "2" } });
  const counted = await counting("too_many_connections");
  await using _stream = await rig.sse();
  await using peer = await rig.socket("/ws");
  await refusal(await rig.fetch("/api/v1/stream"), 503, "too_many_connections");
  assert.equal(await counted(), 1);
  await peer.close();
  await eventually("room", async () => {
    const response = await rig.fetch("/api/v1/stream");
    await response.body?.cancel();
    return response.status === 200;
  });
});

everyServer.test("MAX_CONNECTIONS_PER_TOKEN counts by jti, else by subject; other tokens are not affected", async ({ start }) => {
  await using rig = await start({
    env: { AUTH_JWT_SECRET: SECRET, MAX_CONNECTIONS_PER_TOKEN: "2" },
  });
  const counted = await counting("too_many_connections_of_token");
  const held = (claims: Record<string, string>) =>
    sign({ scope: "stream", device_ids: ["A"], ...claims });
  for (const claims of [{ jti: "1", sub: "s" }, { jti: "2", sub: "s" }, { sub: "t" }]) {
    const text = await held(claims);
    await using first = await rig.open("ws", `device_ids=A&access_token=${text}`);
    await using _second = await rig.open("sse", `device_ids=A&access_token=${text}`);
    await refusal(
      await rig.fetch("/api/v1/stream", bearer(text)),
      429,
      "too_many_connections_of_token",
    );
    await first.close();
    await eventually("room", () => rig.hub.sessions.size === 1);
    await using _again = await rig.open("sse", `device_ids=A&access_token=${text}`);
  }
  assert.equal(await counted(), 3);
});

everyServer.test("MAX_NEW_CONNECTIONS_PER_SECOND admits a burst of ten seconds' worth and refuses the rest", async ({ start }) => {
  await using rig = await start({ env: { MAX_NEW_CONNECTIONS_PER_SECOND: "1" } });
  const counted = await counting("too_many_new_connections");
  let accepted = 0;
  const answers = await Promise.all(range(1, 30).map(() => rig.fetch("/api/v1/stream")));
  for (const response of answers) {
    if (response.status === 200) {
      accepted++;
      await response.body?.cancel();
    } else await refusal(response, 503, "too_many_new_connections");
  }
  assert.ok(accepted >= 10 && accepted < 25, `${accepted}`);
  assert.equal(await counted(), 30 - accepted);
  await eventually("there is room later", async () => {
    const response = await rig.fetch("/api/v1/stream");
    await response.body?.cancel();
    return response.status === 200;
  });
});

Deno.test("MAX_NEW_CONNECTIONS_PER_SECOND counts HEAD, which reads the same query", async () => {
  await using rig = await Rig.start({ env: { MAX_NEW_CONNECTIONS_PER_SECOND: "1" } });
  const heads = range(1, 30).map(() => rig.fetch("/api/v1/stream", { method: "HEAD" }));
  const statuses = (await Promise.all(heads)).map(({ status }) => status);
  const refused = statuses.filter((status) => status === 503).length;
  assert.ok(refused > 5 && refused <= 20, statuses.join());
});

Deno.test("a query may have at most 6,000 parameters, which is enough for every list of ids", async () => {
  await using rig = await Rig.start({ env: { MAX_DEVICE_IDS: "100000" } });
  const many = (count: number, text: string) => Array(count).fill(text).join("&");
  for (const path of ["/api/v1/stream", "/api/v1/devices", "/livez"]) {
    const signal = AbortSignal.timeout(5_000);
    const response = await rig.fetch(`${path}?${many(32_000, "a")}`, { signal });
    await refusal(response, 414, "url_too_long");
  }
  const ids = range(0, 4_000).map((n) => `device_id=${n.toString(36)}`).join("&");
  const head = await rig.fetch(`/api/v1/stream?${ids}`, { method: "HEAD" });
  assert.equal(head.status, 200);
});

everyServer.test("MAX_COMMANDS_PER_SECOND answers excess commands with an error; too many of them close the stream", async ({ start }) => {
  await using rig = await start({ env: { MAX_COMMANDS_PER_SECOND: "2" } });
  const [commands, errors] = [
    await counting("too_many_commands"),
    await counting("too_many_errors"),
  ];
  await using client = await rig.ws("device_ids=A");
  for (const n of range(1, 60)) client.send({ action: "subscribe", device_ids: [`D${n}`] });
  await client.events.waitForCount(60, ({ event }) => event === "subscribed" || event === "error");
  const of = (name: string) => client.events.items.filter(({ event }) => event === name);
  assert.ok(of("subscribed").length >= 20 && of("subscribed").length < 50);
  for (const { data } of of("error")) assert.equal(JSON.parse(data).code, "too_many_commands");
  assert.equal([...rig.hub.sessions][0]!.interest.items.length, 1 + of("subscribed").length);
  assert.equal(await commands(), of("error").length);
  rig.publish("A", 1);
  await client.waitForMessages(1);
  for (const _ of range(1, 200)) client.send({ action: "ping" });
  await client.waitForClose();
  assert.equal(await errors(), 1);
});

everyServer.test("MAX_POSTS_PER_SECOND counts by token, or by address", async ({ start }) => {
  for (const secret of [SECRET, undefined]) {
    await using rig = await start({
      env: { MAX_POSTS_PER_SECOND: "5", ...(secret && { AUTH_JWT_SECRET: secret }) },
      publish: () => Promise.resolve(),
    });
    const held = (jti: string) => sign({ scope: "admin", jti });
    const [one, other] = [await held("one"), await held("other")];
    const send = (token: string) =>
      rig.fetch("/api/v1/publish", posted({ topic: "a", payload: 1 }, token));
    let refused = 0;
    for (const response of await Promise.all(range(1, 40).map(() => send(one)))) {
      if (response.status === 200) await response.body?.cancel();
      else {
        refused++;
        await refusal(response, 429, "too_many_requests");
      }
    }
    assert.ok(refused > 10, `${refused}`);
    const response = await send(other);
    await response.body?.cancel();
    if (secret) assert.equal(response.status, 200);
    const read = await rig.fetch(
      "/api/v1/empresas",
      secret ? bearer(await sign({ scope: "stream" })) : {},
    );
    await read.body?.cancel();
    assert.equal(read.status, 200, "reads are not limited");
  }
});

everyServer.test("sizes: body, URL, headers", async ({ start }) => {
  await using rig = await start({
    env: { MAX_BODY_BYTES: "2000", MAX_URL_BYTES: "2000", MAX_HEADER_BYTES: "2000" },
  });
  const x = "x".repeat(2_100);
  const cases = [
    [413, "body_too_large", "/api/v1/publish", { method: "POST", body: x }],
    [414, "url_too_long", `/api/v1/stream?device_ids=${x}`, {}],
    [431, "headers_too_large", "/livez", { headers: { more: x } }],
    [431, "headers_too_large", "/livez", { headers: { one: x.slice(1_000), two: x.slice(1_000) } }],
  ] as const;
  for (const [status, code, path, init] of cases) {
    const counted = await counting(code);
    await refusal(await rig.fetch(path, init), status, code);
    assert.equal(await counted(), 1, code);
  }
});

everyServer.test("an invalid request gets a specific status, and the server keeps running", async ({ start }) => {
  await using rig = await start();
  const cases: readonly (readonly [number, ...string[]])[] = [
    [414, `GET /${"x".repeat(200_000)} HTTP/1.1`, "Host: a"],
    [431, "GET /livez HTTP/1.1", "Host: a", `More: ${"x".repeat(1_000_000)}`],
    [431, "GET /livez HTTP/1.1", "Host: a", ...range(1, 500).map((n) => `H${n}: x`)],
    [400, "GET /livez HTTP/9.9", "Host: a"],
    [400, "\0\0\0"],
  ];
  for (const [expected, ...lines] of cases) {
    await using connection = await rig.raw();
    await connection.write(new TextEncoder().encode(lines.join("\r\n") + "\r\n\r\n"))
      .catch(() => {});
    const status = await connection.head().then(({ status }) => status, () => undefined);
    // Deno's own server answers all of these with 400, or not at all.
    if (rig.server === "fallback") assert.ok(status === 400 || status === undefined, `${status}`);
    else assert.equal(status, expected, lines[0]!.slice(0, 50));
  }
  assert.equal((await rig.fetch("/livez")).status, 200);
});
