import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import mqtt from "mqtt";
import { EmbeddedBroker } from "../../../ingest/demo/broker.ts";
import { startDemo } from "../../../ingest/demo/demo.ts";
import { getLogger } from "../../../telemetry/log.ts";
import { eventually } from "../../kit/eventually.ts";
import { MqttPublisher } from "../../kit/clients/mqtt_publisher.ts";
import { freePort, isListening } from "../../kit/ports.ts";

async function listen(url: string, topic: string) {
  const client = await mqtt.connectAsync(url, { reconnectPeriod: 50 });
  const messages: { topic: string; payload: string }[] = [];
  client.on("message", (on, payload: Buffer) => {
    messages.push({ topic: on, payload: payload.toString() });
  });
  await client.subscribeAsync(topic);
  return { messages, [Symbol.asyncDispose]: () => client.endAsync(true) };
}

Deno.test("startDemo() runs 25 vehicles over MQTT, and stop() closes the broker", async () => {
  const demo = await startDemo({ logger: getLogger("test"), port: freePort() });
  try {
    await using listener = await listen(demo.brokerUrl, demo.topic);
    await eventually("reports", () => listener.messages.length >= 20);
    for (const { topic, payload } of listener.messages) {
      const { data } = JSON.parse(payload);
      assert.equal(topic, `tracking/${data.DEVICE_ID}`);
      const number = Number(data.DEVICE_ID) - 848086072;
      assert.ok(data.DEVICE_ID.startsWith("0848086") && number >= 0 && number < 25);
      assert.match(data.LATITUD, /^\+20\.\d{6}$/);
      assert.match(data.LONGITUD, /^-100\.\d{6}$/);
    }
    const devices = new Set(listener.messages.map(({ topic }) => topic));
    assert.ok(devices.size >= 5);
    await using late = await listen(demo.brokerUrl, demo.topic);
    const seen = () => new Set(late.messages.map(({ topic }) => topic));
    await eventually("all vehicles for a late subscriber", () => seen().size === 25, {
      timeoutMs: 5_000,
    });
  } finally {
    await demo.stop();
  }
  assert.equal(await isListening(Number(new URL(demo.brokerUrl).port)), false);
  await demo.stop();
});

Deno.test("startDemo() uses the next port if the first is taken", async () => {
  const port = freePort();
  using _ = Deno.listen({ hostname: "127.0.0.1", port });
  await using demo = await startDemo({ logger: getLogger("test"), port, vehicles: 0 });
  const taken = Number(new URL(demo.brokerUrl).port);
  assert.ok(taken > port, `${taken}`);
  assert.ok(await isListening(taken));
});

/** The bytes of a QoS 0 PUBLISH; `topic` and `payload` are ASCII, 125 to 16,000 bytes in all. */
function publishPacket(topic: string, payload: string): number[] {
  const length = 2 + topic.length + payload.length;
  const text = Array.from(topic + payload, (character) => character.charCodeAt(0));
  return [0x30, (length & 127) | 128, length >> 7, 0, topic.length, ...text];
}

// Without the parser guard this fails within the first hundred kilobytes.
Deno.test("EmbeddedBroker loses nothing from a burst that arrives at once", async () => {
  const count = 20_000;
  await using broker = await EmbeddedBroker.start({ host: "127.0.0.1", port: 0 });
  const topics: string[] = [];
  const errors: string[] = [];
  broker.aedes.on("publish", ({ topic }, client) => {
    if (client) topics.push(topic);
  });
  broker.aedes.on("clientError", (_client, error) => errors.push(error.message));
  using device = await Deno.connect({ hostname: "127.0.0.1", port: broker.port });
  await device.write(
    Uint8Array.of(0x10, 13, 0, 4, 77, 81, 84, 84, 4, 2, 0, 30, 0, 1, 120),
  );
  await device.read(new Uint8Array(4));
  const payload = "x".repeat(300);
  const burst = Uint8Array.from(
    Array.from({ length: count }, (_, i) => publishPacket(`burst/${i}`, payload)).flat(),
  );
  const writer = device.writable.getWriter();
  const written = writer.write(burst).catch(() => {});
  await eventually("all of the burst", () => topics.length === count || errors.length > 0);
  assert.deepEqual(errors, []);
  await written;
  topics.forEach((topic, i) => assert.equal(topic, `burst/${i}`));
});

Deno.test("EmbeddedBroker survives clients that send garbage", async () => {
  await using broker = await EmbeddedBroker.start({ host: "127.0.0.1", port: 0 });
  const garbage = [
    "GET / HTTP/1.1\r\n\r\n",
    "\xff\xff\xff\xff\xff\xff",
    "\x10\x00",
    "\x30\x05\x00\x01a",
    "",
  ];
  for (const text of garbage) {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: broker.port });
    await connection.write(Uint8Array.from(text, (character) => character.charCodeAt(0)));
    connection.close();
  }
  await using listener = await listen(broker.url, "t");
  await using devices = await MqttPublisher.connect(broker.url, { protocolVersion: 4 });
  await devices.publish("t", "a");
  await eventually("a", () => listener.messages.length === 1);
});
