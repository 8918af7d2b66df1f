/** Publishing over HTTP: what reaches the broker, and what the caller gets. */

import assert from "node:assert/strict";
import mqtt from "mqtt";
import { configOf } from "../../kit/config.ts";
import { EmbeddedBroker } from "../../../ingest/demo/broker.ts";
import type { Outgoing } from "../../../ingest/runtime/source.ts";
import { startProgram } from "../../../program.ts";
import { eventually } from "../../kit/eventually.ts";
import { Recorder } from "../../kit/recorder.ts";
import { SseClient } from "../../kit/clients/sse_client.ts";
import { Rig } from "../rig.ts";

const post = (body: string): RequestInit => ({ method: "POST", body });

Deno.test("publish: the payload is sent as it was written, with QoS 1 by default", async () => {
  const sent: Outgoing[] = [];
  await using rig = await Rig.start({
    publish: (message) => {
      sent.push(message);
      return Promise.resolve();
    },
  });
  const cases: readonly (readonly [body: string, payload: string, qos: number])[] = [
    ['{"topic":"a/b","payload":"text as it is","qos":0}', "text as it is", 0],
    ['{"topic":"a/b","payload":""}', "", 1],
    [
      '{"payload" : { "n":1.0, "big":12345678901234567890,"b":1,"1":2 } ,"topic":"a/b","qos":2}',
      '{ "n":1.0, "big":12345678901234567890,"b":1,"1":2 }',
      2,
    ],
    ['{"topic":"a/b","payload":[1e3,-0]}', "[1e3,-0]", 1],
    ['{"topic":"a/b","payload":null}', "null", 1],
    ['{"topic":"a/b","payload":1.50,"unknown":true}', "1.50", 1],
    ['{"topic":"a/b","payload":{"payload":1}}', '{"payload":1}', 1],
    ['{"topic":"a/b","payload":{"a":1},"payload":{"b":2}}', '{"b":2}', 1],
    ['{"topic":"a/b","p\\u0061yload":true}', "true", 1],
  ];
  for (const [body, payload, qos] of cases) {
    const response = await rig.fetch("/api/v1/publish", post(body));
    assert.equal(response.status, 200, body);
    assert.deepEqual(await response.json(), { status: "published", topic: "a/b", qos });
    assert.deepEqual(sent.pop(), { topic: "a/b", payload, qos });
  }
});

Deno.test("publish: without a broker, or without its ack, the answer is a 503 problem with Retry-After", async () => {
  await using none = await Rig.start();
  await using silent = await Rig.start({
    publish: () => Promise.reject(new Error("no ack from 10.0.0.1")),
  });
  for (const [rig, code] of [[none, "no_mqtt_broker"], [silent, "not_acknowledged"]] as const) {
    const response = await rig.fetch("/api/v1/publish", post('{"topic":"a","payload":1}'));
    const text = await response.text();
    assert.equal(response.status, 503);
    assert.equal(response.headers.get("content-type"), "application/problem+json");
    assert.match(response.headers.get("retry-after") ?? "", /^\d+$/);
    assert.equal(JSON.parse(text).code, code);
    assert.doesNotMatch(text, /10\.0\.0\.1/);
  }
});

/** Kinds of invalid MQTT topics; tests/ingest/mqtt/topic_name_test.ts has every character. */
const NO_TOPICS = [
  "a\tb",
  "a\n",
  "\u0000",
  "a\u0085b",
  "\ufffe",
  "\ud800",
  "\u{1ffff}",
  "a/#",
  "+",
  "",
];

Deno.test("publish: a topic that MQTT does not allow gets 400 invalid_topic, and nothing is sent", async () => {
  let sent = 0;
  const publish = () => Promise.resolve(void sent++);
  await using rig = await Rig.start({ publish });
  for (const topic of [...NO_TOPICS, "x".repeat(65_536)]) {
    const body = JSON.stringify({ topic, payload: 1 });
    const response = await rig.fetch("/api/v1/publish", post(body));
    assert.equal(response.status, 400, body.slice(0, 40));
    const { code, detail } = await response.json();
    assert.equal(code, "invalid_topic");
    assert.match(detail, /^topic: the topic must not /);
  }
  assert.equal(sent, 0);
});

Deno.test("commands: an id that is invalid in a topic gets 400 invalid_topic, and nothing is sent", async () => {
  let sent = 0;
  const publish = () => Promise.resolve(void sent++);
  await using rig = await Rig.start({ publish });
  const ids = [
    "a%09b",
    "%09b",
    "b%0D%0A",
    "a%00",
    "a%C2%85b",
    "%EF%BF%BE",
    "a%F0%9F%BF%BF",
    "%23",
    "a%2B",
  ];
  for (const id of ids) {
    const response = await rig.fetch(`/api/v1/devices/${id}/commands`, post('{"go":1}'));
    assert.equal(response.status, 400, id);
    assert.equal((await response.json()).code, "invalid_topic", id);
  }
  assert.equal(sent, 0);
});

Deno.test("publish: through the broker and back into the stream", async () => {
  await using broker = await EmbeddedBroker.start({ host: "127.0.0.1", port: 0 });
  const env: Record<string, string> = {
    BROKER_HOST: broker.url,
    DENO_KV_URL: "memory:",
    DRAIN_SECONDS: "1",
  };
  const program = await startProgram(configOf(env));
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    program.fetch,
  );
  const url = `http://127.0.0.1:${server.addr.port}`;
  const device = mqtt.connect(broker.url, { protocolVersion: 4 });
  try {
    await program.ready;
    await eventually("the source is connected", async () => {
      const { sources } = await (await fetch(`${url}/api/v1/stats`)).json();
      return sources[0].state === "connected";
    });
    const topics = new Recorder<[topic: string, payload: string]>("the device");
    device.on("message", (topic, payload) => topics.add([topic, payload.toString()]));
    await device.subscribeAsync("#", { qos: 1 });
    await using stream = await SseClient.open(`${url}/api/v1/stream?device_ids=A`);
    const payload = '{"device_id":"A","data":{"n":1.0,"lat":"+20.652472"}}';
    const body = `{"topic":"fleet/A","payload":${payload},"qos":1}`;
    const response = await fetch(`${url}/api/v1/publish`, { method: "POST", body });
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), { status: "published", topic: "fleet/A", qos: 1 });
    await topics.waitForCount(1);
    await stream.waitForMessages(1);
    assert.deepEqual(topics.items, [["fleet/A", payload]]);
    assert.deepEqual(stream.payloads, [payload]);
  } finally {
    await device.endAsync(true);
    await program.stop();
    await server.shutdown();
  }
});
