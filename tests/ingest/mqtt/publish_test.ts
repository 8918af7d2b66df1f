/** Publishing over the connection of an MQTT source, and its cost. */

import assert from "node:assert/strict";
import { eventually } from "../../kit/eventually.ts";
import { heapBytes } from "../../kit/heap.ts";
import { freePort } from "../../kit/ports.ts";
import { CONNACK_5, probe, scripted, startBroker } from "./kit.ts";

const PUBLISHES = 10_000;
/** A leaked promise reaction with its closures would take several times as much. */
const MAX_BYTES_EACH = 100;

/** `count` calls, 20 at a time. */
async function repeat(count: number, call: () => Promise<unknown>): Promise<void> {
  let left = count;
  await Promise.all(Array.from({ length: 20 }, async () => {
    while (left-- > 0) await call();
  }));
}

async function heapGrowth(act: () => Promise<void>): Promise<number> {
  const before = await heapBytes();
  await act();
  return await heapBytes() - before;
}

Deno.test(`MqttSource: ${PUBLISHES} publishes over one connection leave nothing in the heap`, async () => {
  await using broker = await startBroker();
  await using source = probe(broker.url, { topics: [] });
  await source.connected();
  const publish = () => source.publish("t", "x");
  await repeat(1_000, publish);
  const each = await heapGrowth(() => repeat(PUBLISHES, publish)) / PUBLISHES;
  assert.ok(each < MAX_BYTES_EACH, `${each} bytes a publish`);
});

Deno.test(`MqttSource: ${PUBLISHES} publishes without a connection leave nothing in the heap`, async () => {
  const url = `mqtt://127.0.0.1:${freePort()}`;
  await using source = probe(url, { topics: [], backoff: { minMs: 60_000, maxMs: 60_000 } });
  await source.waitingFor(/nothing listens/);
  const publish = () => assert.rejects(source.publish("t", "x", 1, 1), /not connected within 1 ms/);
  await repeat(1_000, publish);
  const each = await heapGrowth(() => repeat(PUBLISHES, publish)) / PUBLISHES;
  assert.ok(each < MAX_BYTES_EACH, `${each} bytes a publish`);
});

Deno.test("MqttSource sends one window without acks, then closes the connection", async () => {
  const published: number[] = [];
  await using broker = scripted((packet) => {
    // Receive maximum 5.
    if (packet[0] === 0x10) {
      published.push(0);
      return [0x20, 6, 0, 0, 3, 0x21, 0, 5];
    }
    if (packet[0]! >> 4 === 3) published[published.length - 1]!++;
    return undefined;
  });
  await using source = probe(broker.url, { topics: [], outflow: { ackLimitMs: 500 } });
  await source.connected();
  const answers = await Promise.allSettled(
    Array.from({ length: 20 }, () => source.publish("t", "x", 1, 100)),
  );
  for (const answer of answers) {
    assert.match(String((answer as PromiseRejectedResult).reason), /sent no ack within 100 ms/);
  }
  assert.deepEqual(published, [5]);
  await source.waitingFor(/does not acknowledge published messages/);
  await source.connected();
});

Deno.test("MqttSource keeps a connection on which a single message is not acked", async () => {
  await using broker = scripted((packet) => {
    if (packet[0] === 0x10) return CONNACK_5;
    if (packet[0]! >> 4 !== 3) return undefined;
    const isLost = new TextDecoder().decode(packet).includes("lost");
    return isLost ? undefined : [0x40, 2, packet[5]!, packet[6]!];
  });
  await using source = probe(broker.url, { topics: [], outflow: { ackLimitMs: 150 } });
  await source.connected();
  await assert.rejects(source.publish("t", "lost", 1, 10), /sent no ack/);
  const end = performance.now() + 600;
  while (performance.now() < end) await source.publish("t", "x");
  assert.deepEqual(source.reasons, []);
});

Deno.test("MqttSource limits the bytes of messages that wait for an ack", async () => {
  let published = 0;
  await using broker = scripted((packet) => {
    if (packet[0] === 0x10) return CONNACK_5;
    if (packet[0]! >> 4 === 3) published++;
    return undefined;
  });
  await using source = probe(broker.url, { topics: [], outflow: { maxBytes: 2_000 } });
  await source.connected();
  const payload = "x".repeat(900);
  const answers = Promise.allSettled([1, 2, 3].map(() => source.publish("t", payload, 1, 300)));
  await eventually("two messages", () => published === 2);
  await answers;
  assert.equal(published, 2);
});

Deno.test("MqttSource does not send messages that exceed the broker's limits", async () => {
  const published: number[] = [];
  await using broker = scripted((packet) => {
    // Maximum packet size 1,000, maximum QoS 1.
    if (packet[0] === 0x10) return [0x20, 10, 0, 0, 7, 0x27, 0, 0, 3, 232, 0x24, 1];
    if (packet[0]! >> 4 !== 3) return undefined;
    published.push(packet.length);
    return [0x40, 2, packet[6]!, packet[7]!];
  });
  await using source = probe(broker.url, { topics: [] });
  await source.connected();
  await assert.rejects(source.publish("tt", "x".repeat(1_000)), /refused .* it is too large/);
  await assert.rejects(source.publish("tt", "x", 2), /refused .* does not support this QoS/);
  assert.deepEqual(published, []);
  assert.deepEqual(source.reasons, []);
});
