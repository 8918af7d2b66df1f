/** The Kafka source with a real broker, without the rest of the program. */

import assert from "node:assert/strict";
import kafkajs from "kafkajs";
import { FakeIntake } from "../../ingest/kafka/fake_intake.ts";
import {
  clientOf,
  committedOf,
  createTopic,
  RunningSource,
  withAdmin,
} from "../../ingest/kafka/run_source.ts";
import { eventually } from "../../kit/eventually.ts";
import { type Codec, Kafka } from "../../kit/servers/kafka.ts";
import { deviceAndSeq, trackingPayload } from "../../kit/payload.ts";

const CODECS = {
  none: kafkajs.CompressionTypes.None,
  gzip: kafkajs.CompressionTypes.GZIP,
  snappy: kafkajs.CompressionTypes.Snappy,
  lz4: kafkajs.CompressionTypes.LZ4,
  zstd: kafkajs.CompressionTypes.ZSTD,
} satisfies Record<Codec, number>;

let kafka: Kafka;
Deno.test.beforeAll(async () => {
  kafka = await Kafka.start();
});
Deno.test.afterAll(() => kafka[Symbol.asyncDispose]());

const records = (count: number, from = 1, device = "d") =>
  Array.from({ length: count }, (_, i) => ({ value: trackingPayload(device, from + i) }));

function assertInOrder(intake: FakeIntake, devices: number, each: number): void {
  const last = new Map<string, number>();
  for (const { text } of intake.received) {
    const { deviceId, seq } = deviceAndSeq(text);
    assert.equal(seq, (last.get(deviceId) ?? 0) + 1, `${deviceId} after ${last.get(deviceId)}`);
    last.set(deviceId, seq);
  }
  assert.deepEqual([...last.values()], Array(devices).fill(each));
}

Deno.test("KafkaSource reads every codec of librdkafka and kafkajs, in order per device", async () => {
  const topic = "codecs";
  await createTopic(kafka.bootstrap, topic);
  await using running = await RunningSource.connected(kafka.bootstrap, { topics: [topic] });
  const producer = (await clientOf(kafka.bootstrap)).producer();
  await producer.connect();
  const devices = Array.from({ length: 9 }, (_, i) => `device-${i}`);
  let seq = 0;
  for (const codec of Object.keys(CODECS) as Codec[]) {
    for (let round = 0; round < 2; round++) {
      const numbers = Array.from({ length: 30 }, () => ++seq);
      const values = numbers.flatMap((n) =>
        devices.map((key) => ({ key, value: trackingPayload(key, n) }))
      );
      // The two libraries hash keys differently, so the partition is given explicitly.
      for (const [i, key] of devices.entries()) {
        const own = values.filter((record) => record.key === key);
        const partition = i % 3;
        if (round === 0) await kafka.produce(topic, own, { codec, partition });
        else {
          const messages = own.map((record) => ({ ...record, partition }));
          await producer.send({ topic, messages, compression: CODECS[codec] });
        }
      }
    }
  }
  await producer.disconnect();
  await running.has(devices.length * seq);
  assertInOrder(running.intake, devices.length, seq);
  assert.deepEqual(new Set(running.intake.received.map(({ partition }) => partition)).size, 3);
  assert.ok(running.intake.received.every(({ key, text }) => key === deviceAndSeq(text).deviceId));
});

Deno.test("KafkaSource passes on tombstones and unkeyed records with their partition and offset", async () => {
  const topic = "mixed";
  await createTopic(kafka.bootstrap, topic, 1);
  await using running = await RunningSource.connected(kafka.bootstrap, { topics: [topic] });
  const producer = (await clientOf(kafka.bootstrap)).producer();
  await producer.connect();
  const messages = [
    { key: "k", value: null },
    { value: "not json", headers: { trace: "1" } },
    { key: "k", value: '{"n":1}' },
  ];
  await producer.send({ topic, messages });
  await producer.disconnect();
  await running.has(3);
  const seen = running.intake.received.map(({ key, text, detail }) => ({ key, text, detail }));
  assert.deepEqual(seen, [
    { key: "k", text: "", detail: "partition=0 offset=0 tombstone" },
    { key: undefined, text: "not json", detail: "partition=0 offset=1" },
    { key: "k", text: '{"n":1}', detail: "partition=0 offset=2" },
  ]);
});

Deno.test("KafkaSource commits only what is stored", async () => {
  const topic = "commits";
  await createTopic(kafka.bootstrap, topic, 1);
  await kafka.produce(topic, records(10));
  const groupId = "commits";
  const committed = () => committedOf(kafka.bootstrap, groupId, topic);
  {
    await using running = new RunningSource(kafka.bootstrap, {
      topics: [topic],
      groupId,
      intake: { stores: false },
    });
    await running.has(10);
    assert.equal(await committed(), 0);
    running.intake.store();
    await eventually("the commit", async () => await committed() === 10);
    assert.deepEqual(running.detail.lag, 0);
    running.intake.stall();
    await kafka.produce(topic, records(5, 11));
    await running.has(15);
    assert.equal(running.detail.lag, 5);
  }
  await using again = new RunningSource(kafka.bootstrap, { topics: [topic], groupId });
  await again.has(5);
  assert.deepEqual(again.intake.received.map(({ offset }) => offset), [10, 11, 12, 13, 14]);
  await eventually("all committed", async () => await committed() === 15);
});

Deno.test("KafkaSource with latest starts at the end only once, and loses nothing from then on", async () => {
  const topic = "latest";
  await createTopic(kafka.bootstrap, topic);
  await kafka.produce(topic, records(5, 1, "before"));
  const config = { topics: [topic], groupId: "latest", fromBeginning: false };
  {
    await using first = await RunningSource.connected(kafka.bootstrap, config);
    assert.equal(first.detail.lag, 0);
  }
  await kafka.produce(topic, records(5, 1, "between"));
  await using second = await RunningSource.connected(kafka.bootstrap, config);
  await kafka.produce(topic, records(5, 1, "after"));
  await second.has(10);
  const devices = second.intake.received.map(({ text }) => deviceAndSeq(text).deviceId);
  assert.deepEqual(new Set(devices), new Set(["between", "after"]));
});

Deno.test("KafkaSource reads topics that appear later from the start, and the others meanwhile", async () => {
  await createTopic(kafka.bootstrap, "here");
  await using running = await RunningSource.connected(kafka.bootstrap, {
    topics: ["here", "later"],
    fromBeginning: false,
  });
  await kafka.produce("here", records(1));
  await running.has(1);
  await eventually("logged", () => running.intake.lines.some((line) => /topic later/.test(line)));
  await createTopic(kafka.bootstrap, "later");
  await kafka.produce("later", records(3, 1, "new"));
  await running.has(4);
  const lines = running.intake.lines.filter((line) => /later does not exist/.test(line));
  assert.equal(lines.length, 1);
});

Deno.test("KafkaSource reports that no topic exists, and waits for one", async () => {
  await using running = new RunningSource(kafka.bootstrap, { topics: ["none"] });
  await eventually(
    "the reason",
    () => running.intake.reasons.includes("no topic can be read: none"),
  );
  await createTopic(kafka.bootstrap, "none");
  await kafka.produce("none", records(1));
  await running.has(1);
});

Deno.test("KafkaSource treats a recreated topic as new", async () => {
  const topic = "anew";
  await createTopic(kafka.bootstrap, topic, 1);
  await kafka.produce(topic, records(20, 1, "old"));
  await using running = await RunningSource.connected(kafka.bootstrap, { topics: [topic] });
  await running.has(20);
  await withAdmin(kafka.bootstrap, (admin) => admin.deleteTopics({ topics: [topic] }));
  await eventually("not connected", () => !running.intake.isConnected, { timeoutMs: 30_000 });
  await createTopic(kafka.bootstrap, topic, 1);
  await kafka.produce(topic, records(3, 1, "new"));
  await running.has(23);
  const sourceOffsets = new Set(running.intake.received.map(({ sourceOffset }) => sourceOffset));
  assert.equal(sourceOffsets.size, 2);
});

Deno.test("KafkaSource skips the control records of transactions", async () => {
  const topic = "transactions";
  await createTopic(kafka.bootstrap, topic, 1);
  await using running = await RunningSource.connected(kafka.bootstrap, { topics: [topic] });
  const client = await clientOf(kafka.bootstrap);
  const options = { transactionalId: "t", maxInFlightRequests: 1, idempotent: true };
  const producer = client.producer(options);
  await producer.connect();
  for (const finish of ["commit", "abort", "commit"] as const) {
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ value: trackingPayload(finish, 1) }] });
    await transaction[finish]();
  }
  await producer.disconnect();
  await running.has(2);
  await eventually("no lag", () => running.detail.partitions[0].stored >= 5);
  assert.equal(running.intake.received.length, 2);
});

Deno.test("KafkaSource reports which codec is missing, and continues once it can", async () => {
  const topic = "unknown";
  await createTopic(kafka.bootstrap, topic, 1);
  await kafka.produce(topic, records(1));
  await using running = new RunningSource(kafka.bootstrap, { topics: [topic] });
  await running.has(1);
  const { CompressionCodecs: codecs, CompressionTypes: types } = kafkajs;
  // kafkajs's types omit the message parameter.
  const NotImplemented = kafkajs.KafkaJSNotImplemented as new (message: string) => Error;
  const zstd = codecs[types.ZSTD];
  codecs[types.ZSTD] = () => {
    throw new NotImplemented("ZSTD is missing");
  };
  try {
    await kafka.produce(topic, records(3, 2), { codec: "zstd" });
    await eventually(
      "the reason",
      () => running.intake.reasons.some((reason) => /not supported: ZSTD/.test(reason)),
    );
  } finally {
    codecs[types.ZSTD] = zstd;
  }
  await running.has(4);
  assertInOrder(running.intake, 1, 4);
});
