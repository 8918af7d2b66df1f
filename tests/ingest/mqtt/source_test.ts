import assert from "node:assert/strict";
import { eventually } from "../../kit/eventually.ts";
import { CLIENT_ID, clientOf, drop, probe, publisher, startBroker, untilAcked } from "./kit.ts";

Deno.test("MqttSource subscribes to all its topics, with + and #", async () => {
  await using broker = await startBroker();
  await using source = probe(broker.url, { topics: ["a/+/c", "b/#", "exact"] });
  await source.connected();
  await using devices = await publisher(broker.url);
  for (const topic of ["a/x/c", "a/x/y/c", "b", "b/c/d", "exact", "exact/not", "other"]) {
    await devices.publish(topic, topic, { qos: 0 });
  }
  await devices.publish("exact", "end", { qos: 0 });
  await eventually("the end", () => source.payloads.includes("end"));
  assert.deepEqual(source.payloads, ["a/x/c", "b", "b/c/d", "exact", "end"]);
  assert.deepEqual(source.taken.map(({ topic }) => topic).slice(0, 2), ["a/x/c", "b"]);
});

for (const qos of [1, 2] as const) {
  Deno.test(`MqttSource does not ack QoS ${qos} until it is told to`, async () => {
    await using broker = await startBroker();
    {
      await using source = probe(broker.url, { qos });
      source.autoAck = false;
      await source.connected();
      await using devices = await publisher(broker.url);
      await devices.publishAll(["a", "b", "c"].map((payload) => ({ topic: "t", payload })), {
        qos,
      });
      await source.received(3);
      source.taken[0]!.ack!();
    }
    {
      await using source = probe(broker.url, { qos });
      await untilAcked(broker, () => source.received(2), 2);
      assert.deepEqual(source.payloads, ["b", "c"], "a was acked, b and c come again");
    }
    await using source = probe(broker.url, { qos });
    await source.connected();
    await using devices = await publisher(broker.url);
    await devices.publish("t", "end", { qos });
    await source.received(1);
    assert.deepEqual(source.payloads, ["end"]);
  });

  Deno.test(`MqttSource keeps reading while 3,000 QoS ${qos} messages wait for acks`, async () => {
    await using broker = await startBroker();
    await using source = probe(broker.url, { qos });
    source.autoAck = false;
    await source.connected();
    await using devices = await publisher(broker.url);
    for (let i = 0; i < 3_000; i += 100) {
      const some = Array.from({ length: 100 }, (_, j) => ({ topic: "t", payload: String(i + j) }));
      await devices.publishAll(some, { qos });
    }
    await source.received(3_000);
    assert.deepEqual(source.payloads, Array.from({ length: 3_000 }, (_, i) => String(i)));
    let acks = 0;
    broker.aedes.on("ack", (_packet, client) => {
      if (client.id === CLIENT_ID) acks++;
    });
    source.ackAll();
    await eventually("the acks", () => acks >= 3_000);
  });
}

// The next two fail if a new version of the library changes internals that connection.ts uses.
Deno.test("MqttSource sends each PUBACK once, and in order", async () => {
  await using broker = await startBroker();
  await using source = probe(broker.url, { topics: ["t"] });
  source.autoAck = false;
  await source.connected();
  const acked: number[] = [];
  clientOf(broker)._parser.on("packet", ({ cmd, messageId }) => {
    if (cmd === "puback") acked.push(messageId);
  });
  await using devices = await publisher(broker.url);
  for (let i = 0; i < 5; i++) await devices.publish("t", String(i));
  await source.received(5);
  await source.publish("out", "a round trip: packets sent before have arrived", 1);
  assert.deepEqual(acked, []);
  source.ackAll();
  await eventually("the acks", () => acked.length >= 5);
  await source.publish("out", "another round trip", 1);
  const [first] = acked;
  assert.deepEqual(acked, [0, 1, 2, 3, 4].map((i) => (first! + i - 1) % 65_535 + 1));
});

Deno.test("MqttSource passes a QoS 2 message on once across broken connections", async () => {
  await using broker = await startBroker();
  await using source = probe(broker.url, { qos: 2 });
  source.autoAck = false;
  await source.connected();
  await using devices = await publisher(broker.url);
  await devices.publish("t", "once", { qos: 2 });
  await source.received(1);
  for (let i = 1; i <= 2; i++) {
    drop(broker);
    await eventually("broken", () => source.reasons.length === i);
    await source.connected();
  }
  source.ackAll();
  await devices.publish("t", "next", { qos: 2 });
  await source.received(2);
  source.taken[1]!.ack!();
  drop(broker);
  await eventually("broken", () => source.reasons.length === 3);
  await source.connected();
  await devices.publish("t", "end", { qos: 2 });
  await source.received(3);
  assert.deepEqual(source.payloads, ["once", "next", "end"]);
});

Deno.test("MqttSource accepts a QoS 1 message again after a broken connection", async () => {
  await using broker = await startBroker();
  await using source = probe(broker.url);
  source.autoAck = false;
  await source.connected();
  await using devices = await publisher(broker.url);
  await devices.publish("t", "a");
  await source.received(1);
  drop(broker);
  await source.received(2);
  const [before, after] = source.taken;
  before!.ack!();
  await untilAcked(broker, () => after!.ack!());
  drop(broker);
  await eventually("broken again", () => source.reasons.length === 2);
  await source.connected();
  await devices.publish("t", "b");
  await source.received(3);
  assert.deepEqual(source.payloads, ["a", "a", "b"]);
});

Deno.test("MqttSource leaves no old subscription in a kept session", async () => {
  await using broker = await startBroker();
  let known: string[];
  {
    await using source = probe(broker.url, { topics: ["old/#", "both"] });
    await source.connected();
    known = source.subscribed.at(-1)!;
    assert.deepEqual(known, ["old/#", "both"]);
  }
  await using source = probe(broker.url, { topics: ["both", "new"] }, known);
  await source.connected();
  assert.deepEqual(source.subscribed[0], ["old/#", "both", "new"], "reported before it subscribes");
  assert.deepEqual(source.subscribed.at(-1), ["both", "new"], "reported after it has unsubscribed");
  await using devices = await publisher(broker.url);
  for (const topic of ["old/a", "both", "new"]) await devices.publish(topic, topic);
  await source.received(2);
  assert.deepEqual(source.payloads, ["both", "new"]);
});

Deno.test("MqttSource gets retained messages once, not after each reconnect", async () => {
  await using broker = await startBroker();
  await using devices = await publisher(broker.url);
  await devices.publish("r", "retained", { retain: true });
  await using source = probe(broker.url);
  await source.connected();
  await source.received(1);
  drop(broker);
  await eventually("broken", () => source.reasons.length === 1);
  await source.connected();
  await devices.publish("t", "end");
  await source.received(2);
  assert.deepEqual(source.payloads, ["retained", "end"]);
});

Deno.test("MqttSource drops and counts only QoS 0 while nothing can be stored", async () => {
  await using broker = await startBroker();
  await using source = probe(broker.url, { ingressBuffer: { holdMs: 50, maxBacklog: 10 } });
  await source.connected();
  await using devices = await publisher(broker.url);
  source.credit = false;
  const make = (name: string, count: number) =>
    Array.from({ length: count }, (_, i) => ({ topic: "t", payload: `${name}${i}` }));
  await devices.publishAll(make("zero", 50), { qos: 0 });
  await eventually("drops", () => source.dropped === 40);
  await devices.publishAll(make("one", 50), { qos: 1 });
  source.credit = true;
  await source.received(60);
  assert.deepEqual(
    source.payloads,
    [...make("zero", 10), ...make("one", 50)].map(({ payload }) => payload),
  );
});

Deno.test("MqttSource.publish() resolves after the broker's ack", async () => {
  await using broker = await startBroker();
  await using source = probe(broker.url, { topics: ["in/#"] });
  await source.connected();
  await using listener = probe(broker.url, { clientId: "listener", topics: ["out/#"] });
  await listener.connected();
  for (const qos of [0, 1, 2] as const) await source.publish("out/x", `qos${qos}`, qos);
  await listener.received(3);
  assert.deepEqual(listener.payloads, ["qos0", "qos1", "qos2"]);
});

Deno.test("MqttSource.publish() fails if the connection is lost before the ack", async () => {
  await using broker = await startBroker();
  await using source = probe(broker.url);
  await source.connected();
  broker.aedes.authorizePublish = (client, _packet, _done) => {
    if (client?.id === CLIENT_ID) drop(broker);
  };
  await assert.rejects(source.publish("t", "a", 1, 5_000), /lost before the ack/);
});

Deno.test("MqttSource.stop() waits for acks that arrive soon", async () => {
  await using broker = await startBroker();
  const source = probe(broker.url);
  source.autoAck = false;
  await source.connected();
  await using devices = await publisher(broker.url);
  await devices.publish("t", "a");
  await source.received(1);
  setTimeout(() => source.ackAll(), 50);
  await source.stop();
  assert.equal(source.state.state, "stopped");
  await using next = probe(broker.url);
  await next.connected();
  await devices.publish("t", "b");
  await next.received(1);
  assert.deepEqual(next.payloads, ["b"]);
});
