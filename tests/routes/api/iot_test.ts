import assert from "node:assert/strict";
import { Hono } from "hono";
import { SYSTEM_CLOCK } from "../../../lib/clock.ts";
import { DenoKv } from "../../../broker/store/deno_kv.ts";
import { DirectLink } from "../../../ingest/aws_iot/direct_link.ts";
import { KvBuffer } from "../../../ingest/aws_iot/kv_buffer.ts";
import { AwsIotService } from "../../../ingest/aws_iot/service.ts";
import { sourceConfigOf } from "../../../ingest/aws_iot/service_config.ts";
import { EmbeddedBroker } from "../../../ingest/demo/broker.ts";
import { MqttSource } from "../../../ingest/mqtt/source.ts";
import type { AppDeps } from "../../../routes/http/deps.ts";
import { iotRoutes } from "../../../routes/api/iot.ts";
import { rawMembers } from "../../../broker/messages/raw_json.ts";
import { SourceProbe } from "../../ingest/runtime/source_probe.ts";
import { eventually } from "../../kit/eventually.ts";
import { freePort } from "../../kit/ports.ts";
import { Rig, type RigOptions } from "../rig.ts";

const post = (body: unknown): RequestInit => ({
  method: "POST",
  body: typeof body === "string" ? body : JSON.stringify(body),
});

Deno.test("without AWS IoT Core the iot routes check the body, then name the variable to set", async () => {
  await using rig = await Rig.start();
  const bodies: [string, unknown][] = [
    ["/api/v1/iot/telemetry", { device_id: "cat", data: {} }],
    ["/api/v1/iot/events", { device_id: "cat", event: "hot" }],
  ];
  for (const [path, body] of bodies) {
    const response = await rig.fetch(path, post(body));
    assert.equal(response.status, 503);
    assert.equal(response.headers.get("retry-after"), "60");
    assert.equal(response.headers.get("content-type"), "application/problem+json");
    const { code, detail } = await response.json();
    assert.equal(code, "not_configured");
    assert.match(detail, /AWS_IOT_ENDPOINT/);
    const bad = await rig.fetch(path, post({ device_id: "cat" }));
    assert.equal(bad.status, 400);
    await bad.body?.cancel();
  }
  assert.deepEqual(await rig.json("/api/v1/iot/status"), {
    connection_status: "not_configured",
    connected: false,
    reconnect_attempts: 0,
    last_publish_ts: null,
  });
});

Deno.test("a command without any broker gets 503 with the variables to set", async () => {
  await using rig = await Rig.start();
  const response = await rig.fetch("/api/v1/devices/cat/commands", post({ go: 1 }));
  assert.equal(response.status, 503);
  assert.ok(response.headers.has("retry-after"));
  assert.match((await response.json()).detail, /AWS_IOT_ENDPOINT or BROKER_HOST/);
  const get = await rig.fetch("/api/v1/devices/cat/commands");
  assert.equal(get.status, 405);
  await get.body?.cancel();
});

/** The routes over a real MQTT broker, to which the returned source is connected. */
async function overMqtt(broker: EmbeddedBroker, env: RigOptions["env"] = {}) {
  const probe = new SourceProbe((context) =>
    new MqttSource(
      { url: broker.url, clientId: "telecast", clean: true, topics: ["#"], qos: 1 },
      context,
    )
  );
  await probe.connected();
  const publish: RigOptions["publish"] = ({ topic, payload, qos }, timeoutMs) =>
    probe.publish(topic, payload, qos, timeoutMs);
  const rig = await Rig.start({ publish, env });
  return {
    probe,
    rig,
    async [Symbol.asyncDispose]() {
      await rig[Symbol.asyncDispose]();
      await probe.stop();
    },
  };
}

Deno.test("without AWS IoT Core a command goes to the MQTT broker, unchanged", async () => {
  await using broker = await EmbeddedBroker.start({ host: "127.0.0.1", port: 0 });
  await using kit = await overMqtt(broker, { COMMAND_TOPIC_PREFIX: "down/" });
  const response = await kit.rig.fetch(
    "/api/v1/devices/c%C3%A1t%201/commands",
    post('{"go": 1.0}'),
  );
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), {
    status: "published",
    device_id: "cát 1",
    topic: "down/cát 1",
  });
  await kit.probe.received(1);
  assert.deepEqual(kit.probe.taken.map(({ topic, payload }) => [topic, payload]), [
    ["down/cát 1", '{"go": 1.0}'],
  ]);
});

Deno.test("a command that the MQTT broker does not acknowledge gets 503 with Retry-After", async () => {
  await using broker = await EmbeddedBroker.start({ host: "127.0.0.1", port: 0 });
  await using kit = await overMqtt(broker);
  broker.aedes.authorizePublish = (_client, _packet, done) => done(new Error("no"));
  const response = await kit.rig.fetch("/api/v1/devices/cat/commands", post({}));
  assert.equal(response.status, 503);
  assert.equal(response.headers.get("retry-after"), "5");
  assert.equal((await response.json()).code, "not_acknowledged");
});

Deno.test("a command must be an object within the size limit, for an id that is valid in a topic", async () => {
  await using broker = await EmbeddedBroker.start({ host: "127.0.0.1", port: 0 });
  await using kit = await overMqtt(broker, { MAX_MESSAGE_BYTES: "100" });
  const status = async (id: string, body: unknown) => {
    const response = await kit.rig.fetch(`/api/v1/devices/${id}/commands`, post(body));
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await status("cat", { x: "y".repeat(100) }), 413);
  assert.equal(await status("cat", []), 400);
  assert.equal(await status("cat", ""), 400);
  assert.equal(await status("%23", {}), 400);
  assert.equal(await status("a%2Bb", {}), 400);
  assert.equal(await status("%20", {}), 400);
  assert.equal(kit.probe.taken.length, 0);
});

Deno.test("a message that neither AWS nor the store can take gets 503 with Retry-After", async () => {
  const config = {
    endpoint: `localhost:${freePort()}`,
    certPath: "/nowhere",
    keyPath: "/nowhere",
    caPath: "/nowhere",
    clientId: "bombercat-1",
  };
  const kv = await Deno.openKv(":memory:");
  kv.close();
  const buffer = new KvBuffer(new DenoKv(() => Promise.resolve(kv), { limitMs: 1_000 }));
  const link = new DirectLink(sourceConfigOf(config), {
    commandTopicPrefix: "c/",
    clock: SYSTEM_CLOCK,
  });
  await using service = new AwsIotService(config, { link, buffer: () => buffer });
  service.start();
  await eventually("a failed try", () => service.status().reason !== null);
  const app = new Hono().route("/", iotRoutes({ awsIot: service } as AppDeps));
  const response = await app.request(
    "/api/v1/iot/telemetry",
    post({ device_id: "cat", data: { n: 1 } }),
  );
  assert.equal(response.status, 503);
  assert.equal(response.headers.get("retry-after"), "5");
  const { code, detail } = await response.json();
  assert.equal(code, "not_acknowledged");
  assert.doesNotMatch(detail, /store|Kv|closed/i, "no cause for the client");
  assert.equal(service.status().totals.dropped, 1);
});

Deno.test("rawMembers() finds each member's text, whatever it contains", () => {
  const json =
    ' {"a" : 12345678901234567890 ,"b":{"c":[1,{"}":"]"}]},"d\\"":"x,}\\\\","e":true,\n"a":1.0 }';
  assert.deepEqual(Object.fromEntries(rawMembers(json)), {
    a: "1.0",
    b: '{"c":[1,{"}":"]"}]}',
    'd"': '"x,}\\\\"',
    e: "true",
  });
  assert.equal(rawMembers("{}").size, 0);
  assert.equal(rawMembers(" { } ").size, 0);
});

Deno.test("rawMembers() agrees with JSON.parse on many objects", () => {
  const parts = [
    "1",
    '"a\\"}{,:"',
    "[]",
    "{}",
    '[1,"]"]',
    '{"x":{"y":"}"}}',
    "null",
    "-1.5e3",
    '""',
  ];
  for (let i = 0; i < 500; i++) {
    const pick = () => parts[Math.floor(Math.random() * parts.length)]!;
    const members = Array.from({ length: i % 6 }, (_, n) => `"k${n % 4}\\u007d" : ${pick()}`);
    const json = `{ ${members.join(" , ")} }`;
    const raw = [...rawMembers(json)].map(([name, text]) => [name, JSON.parse(text)]);
    assert.deepEqual(Object.fromEntries(raw), JSON.parse(json), json);
  }
});
