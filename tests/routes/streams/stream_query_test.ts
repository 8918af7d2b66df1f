/** What a client may ask for, and the errors otherwise. */

import { configOf } from "../../kit/config.ts";
import assert from "node:assert/strict";
import { parseStreamQuery, QueryError } from "../../../routes/streams/stream_query.ts";
import { everyServer } from "../rig.ts";

const REQUIRED =
  '{"event":"error","data":{"message":"Debe especificar al menos un device_id en los query params","code":"device_ids_required"}}';

const ids = (count: number) => Array.from({ length: count }, (_, i) => `d${i}`).join(",");

/** Query and the code of its error; for both transports unless one is named. */
const BAD: readonly (readonly [query: string, code: string, transport?: "ws" | "sse"])[] = [
  [`device_ids=${ids(501)}`, "too_many_device_ids"],
  [`device_ids=${ids(300)}&device_ids=${ids(501)}`, "too_many_device_ids"],
  [`device_ids=A,${"x".repeat(129)}`, "device_id_too_long"],
  [`device_ids=${encodeURIComponent("😀".repeat(129))}`, "device_id_too_long"],
  ["device_ids=A&mode=newest", "bad_mode"],
  ["device_ids=A&mode=LATEST,", "bad_mode"],
  ["device_ids=A&max_rate=0", "bad_max_rate"],
  ["device_ids=A&max_rate=-1", "bad_max_rate"],
  ["device_ids=A&max_rate=fast", "bad_max_rate"],
  ["device_ids=A&max_rate=1e9", "bad_max_rate"],
  ["device_ids=A&max_rate=NaN", "bad_max_rate"],
  ["device_ids=A&max_rate=Infinity", "bad_max_rate"],
  ["device_ids=A&batch_ms=0", "bad_batch_ms"],
  ["device_ids=A&batch_ms=1001", "bad_batch_ms"],
  ["device_ids=A&batch_ms=1.5", "bad_batch_ms"],
  ["device_ids=A&batch_ms=-5", "bad_batch_ms"],
  ["device_ids=A&batch_ms=x", "bad_batch_ms"],
  ["device_ids=A&batch_ms=100", "bad_batch_ms", "sse"],
  ["device_ids=A&snapshot=yes", "bad_snapshot"],
  ["device_ids=A&snapshot=2", "bad_snapshot"],
  ["device_ids=A&presence=on", "bad_presence"],
  ["", "device_ids_required", "ws"],
  ["device_ids=", "device_ids_required"],
  ["device_ids=,%20,,", "device_ids_required"],
];

everyServer.test("SSE: a bad value is a problem document before the stream starts", async ({ start, t }) => {
  await using rig = await start();
  for (const [query, code, transport] of BAD) {
    if (transport === "ws") continue;
    await t.step(query.slice(0, 60), async () => {
      // A stream that is opened instead of a problem would never end.
      const signal = AbortSignal.timeout(5000);
      const response = await rig.fetch(`/api/v1/stream?${query}`, { signal });
      const text = await response.text();
      assert.equal(response.status, 400);
      assert.equal(response.headers.get("content-type"), "application/problem+json");
      const problem = JSON.parse(text);
      assert.deepEqual(Object.keys(problem), ["type", "title", "status", "detail", "code"]);
      assert.deepEqual([problem.status, problem.code], [400, code]);
    });
  }
  assert.equal(rig.hub.totals.sse.connections, 0);
});

everyServer.test("WebSocket: a bad value is an error frame, then 1008", async ({ start, t }) => {
  await using rig = await start();
  for (const [query, code, transport] of BAD) {
    if (transport === "sse") continue;
    await t.step(query.slice(0, 60), async () => {
      await using client = await rig.ws(query);
      assert.equal((await client.waitForClose()).code, 1008);
      assert.equal(client.frames.items.length, 1);
      const { event, data } = JSON.parse(client.frames.items[0]!);
      assert.deepEqual([event, data.code, typeof data.message], ["error", code, "string"]);
    });
  }
  assert.equal(rig.hub.sessions.size, 0);
});

everyServer.test("WebSocket: without device_ids the previous clients get the error that they know", async ({ start }) => {
  await using rig = await start();
  for (const query of ["", "device_ids=", "device_ids=,,&snapshot=1", "other=1"]) {
    await using client = await rig.ws(query);
    assert.equal((await client.waitForClose()).code, 1008);
    assert.deepEqual(client.frames.items, [REQUIRED]);
  }
});

everyServer.test("without device_ids a stream has every device, on SSE and if WS_REQUIRE_DEVICE_IDS=false", async ({ start }) => {
  await using rig = await start({ env: { WS_REQUIRE_DEVICE_IDS: "false" } });
  for (const transport of ["ws", "sse"] as const) {
    for (const query of ["", "snapshot=0", "device_ids=*"]) {
      await using client = await rig.open(transport, query);
      rig.publish("A", 1);
      rig.publish("B", 2);
      await client.waitForMessages(2);
      assert.deepEqual(client.payloads.map((text) => JSON.parse(text).device_id), ["A", "B"]);
    }
  }
});

Deno.test("WS_REQUIRE_DEVICE_IDS is false by default if Kafka is the only source", () => {
  const required = (env: Record<string, string>, ...args: string[]) => {
    return configOf(env, args).requireDeviceIds;
  };
  const kafka = { KAFKA_BOOTSTRAP_SERVERS: "k", KAFKA_TOPIC: "t" };
  assert.equal(required({}), true);
  assert.equal(required(kafka), false);
  assert.equal(required({ ...kafka, WS_REQUIRE_DEVICE_IDS: "true" }), true);
  assert.equal(required({ ...kafka, BROKER_HOST: "b" }), true);
  assert.equal(required({ ...kafka, BROKER_HOST: "b" }, "--kafka"), false);
  assert.equal(required({ BROKER_HOST: "b", WS_REQUIRE_DEVICE_IDS: "0" }), false);
});

for (const transport of ["ws", "sse"] as const) {
  everyServer.test(`${transport}: ids from a list or a repeated parameter are trimmed, and repeats are removed`, async ({ start }) => {
    await using rig = await start();
    await using client = await rig.open(
      transport,
      "device_ids=%20A%20,,A,%09B%09&device_ids=C,A&device_ids=&device_ids=+D+",
    );
    for (const id of ["A", "B", "C", "D", "E"]) rig.publish(id, 1);
    rig.publish("A", 2);
    await client.waitForMessages(5);
    assert.deepEqual(
      client.payloads.map((text) => JSON.parse(text)).map(({ device_id, n }) => `${device_id}${n}`),
      ["A1", "B1", "C1", "D1", "A2"],
    );
    assert.equal((await rig.json("/api/v1/stream/stats")).devices_being_monitored, 4);
  });

  everyServer.test(`${transport}: 500 ids of 128 characters are accepted, and repeats do not count`, async ({ start }) => {
    await using rig = await start();
    const five = Array.from({ length: 500 }, (_, i) => `d${i}`);
    await using client = await rig.open(transport, `device_ids=${[...five, ...five].join(",")}`);
    rig.publish("d0", 0);
    rig.publish("d499", 499);
    await client.waitForMessages(2);

    const long = "x".repeat(128);
    const emoji = "😀".repeat(128);
    await using longs = await rig.open(
      transport,
      `device_ids=${long},${encodeURIComponent(emoji)}`,
    );
    rig.publish(long, 1);
    rig.publish(emoji, 2);
    await longs.waitForMessages(2);
  });

  everyServer.test(`${transport}: MAX_DEVICE_IDS limits the ids`, async ({ start }) => {
    await using rig = await start({ env: { MAX_DEVICE_IDS: "2" } });
    await using _two = await rig.open(transport, "device_ids=A,B");
    if (transport === "sse") {
      const problem = await rig.json("/api/v1/stream?device_ids=A,B,C");
      assert.equal(problem.code, "too_many_device_ids");
    } else {
      await using three = await rig.ws("device_ids=A,B,C");
      assert.equal((await three.waitForClose()).code, 1008);
    }
  });

  everyServer.test(`${transport}: overlapping prefixes and ids deliver each message once`, async ({ start }) => {
    await using rig = await start();
    await using client = await rig.open(transport, "device_ids=0848*,08480,0848086072,B,0*,Bc*");
    const sent = ["0848086072", "08480", "0848", "0849", "1", "B", "Ba", "Bcd", "0"];
    for (const id of sent) rig.publish(id, 1);
    rig.publish("B", 9);
    await client.waitFor(({ data }) => data.includes('"n":9'));
    assert.deepEqual(
      client.payloads.map((text) => JSON.parse(text).device_id),
      ["0848086072", "08480", "0848", "0849", "B", "Bcd", "0", "B"],
    );
  });

  everyServer.test(`${transport}: an asterisk marks a prefix only at the end`, async ({ start }) => {
    await using rig = await start();
    await using client = await rig.open(transport, "device_ids=a*b,*c");
    for (const id of ["a*b", "axb", "a*bc", "xc", "*c"]) rig.publish(id, 1);
    rig.publish("a*b", 2);
    await client.waitForMessages(3);
    assert.deepEqual(
      client.payloads.map((text) => JSON.parse(text).device_id),
      ["a*b", "*c", "a*b"],
    );
  });
}

Deno.test("parseStreamQuery() reads every parameter", () => {
  const parse = (query: string, headers: Record<string, string> = {}) =>
    parseStreamQuery(new URL(`http://h/api/v1/stream?${query}`), new Headers(headers), {
      transport: "ws",
      maxDeviceIds: 500,
      requireDeviceIds: true,
    });
  const full = parse(
    "device_ids=A&since=x-1-y&snapshot=1&mode=latest&max_rate=0.5&batch_ms=1000&presence=true&foo=1",
    { "last-event-id": "not for WebSockets" },
  );
  assert.deepEqual({ ...full, interest: full.interest.items }, {
    interest: ["A"],
    cursor: "x-1-y",
    snapshot: true,
    mode: { presence: true, latest: true, maxRate: 0.5, batchMs: 1000 },
  });
  for (const [snapshot, presence] of [["0", "false"], ["", ""]]) {
    const plain = parse(
      `device_ids=A&since=&snapshot=${snapshot}&mode=&max_rate=&batch_ms=&presence=${presence}`,
    );
    assert.deepEqual({ ...plain, interest: plain.interest.items }, {
      interest: ["A"],
      cursor: undefined,
      snapshot: false,
      mode: { presence: false, latest: false, maxRate: undefined, batchMs: undefined },
    });
  }
  assert.equal(parse("device_ids=A&max_rate=1000000").mode.maxRate, 1_000_000);
  assert.equal(parse("device_ids=A&max_rate=5").mode.latest, true);
  assert.throws(
    () => parse("device_ids=A&mode=x"),
    (error) => error instanceof QueryError && error.code === "bad_mode",
  );
});
