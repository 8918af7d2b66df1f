/** From Kafka to the clients: the whole program with a real broker and real streams. */

import assert from "node:assert/strict";
import type { Producer } from "kafkajs";
import { connectProducer, createTopic } from "../../ingest/kafka/run_source.ts";
import { type CheckedClient, Checker } from "../../kit/checker.ts";
import { DenoKv } from "../../kit/servers/denokv.ts";
import { eventually } from "../../kit/eventually.ts";
import { type Codec, Kafka } from "../../kit/servers/kafka.ts";
import { Mosquitto } from "../../kit/servers/mosquitto.ts";
import { MqttPublisher } from "../../kit/clients/mqtt_publisher.ts";
import { deviceAndSeq, trackingPayload } from "../../kit/payload.ts";
import { parseWsFrame, type Received } from "../../kit/received.ts";
import { SseClient } from "../../kit/clients/sse_client.ts";
import { Telecast } from "../../kit/servers/telecast.ts";
import { WsClient } from "../../kit/clients/ws_client.ts";

const TOPIC = "tracking.data";
const DEVICES = Array.from({ length: 9 }, (_, i) => `device-${i}`);
const CODECS: readonly Codec[] = ["none", "gzip", "snappy", "lz4", "zstd"];

/** A payload without uuid: only the record's source offset identifies a repeat. */
const plain = (deviceId: string, seq: number) =>
  JSON.stringify({ data: { DEVICE_ID: deviceId, SEQ: seq }, raw: "A".repeat(200) });

function envOf(kafka: Kafka, env: Record<string, string> = {}): Record<string, string> {
  return { KAFKA_BOOTSTRAP_SERVERS: kafka.bootstrap, KAFKA_TOPIC: TOPIC, ...env };
}

/** Opens one client per transport that reports to the checker. */
async function watch(telecast: Telecast, checker: Checker, devices = DEVICES) {
  await using stack = new AsyncDisposableStack();
  const saw = (client: CheckedClient) => ({ event, data }: Received) => {
    if (event !== "message") return;
    const { deviceId, seq } = deviceAndSeq(data);
    client.saw(deviceId, seq);
  };
  const query = `device_ids=${devices.join()}`;
  const sawWs = saw(checker.client("ws", { devices }));
  const onFrame = (text: string) => sawWs(parseWsFrame(text));
  stack.use(await WsClient.open(telecast.wsUrl(query), { onFrame }));
  const onEvent = saw(checker.client("sse", { devices }));
  stack.use(await SseClient.open(telecast.sseUrl(query), { onEvent }));
  return stack.move();
}

/** Produces the next message of every device in a loop, until it is disposed of. */
class Stream implements AsyncDisposable {
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(private readonly producer: Producer, private readonly checker: Checker) {
    this.#running = this.#run();
  }

  static async start(kafka: Kafka, checker: Checker): Promise<Stream> {
    return new Stream(await connectProducer(kafka.bootstrap), checker);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#running;
    await this.producer.disconnect();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const messages = DEVICES.map((deviceId, i) => ({
        key: deviceId,
        value: plain(deviceId, this.checker.next(deviceId)),
        partition: i % 3,
      }));
      await this.producer.send({ topic: TOPIC, messages });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

async function flow(checker: Checker, messages = 500): Promise<void> {
  const { published } = checker.report();
  await eventually("messages flow", () => checker.report().published >= published + messages, {
    timeoutMs: 60_000,
  });
}

async function complete(checker: Checker): Promise<void> {
  await eventually("all messages", () => checker.complete(), { timeoutMs: 60_000 });
  checker.assertFlawless();
}

Deno.test("Kafka's messages reach WebSocket and SSE in order, and bad ones are reported", async () => {
  await using kafka = await Kafka.start();
  await createTopic(kafka.bootstrap, TOPIC);
  await using telecast = await Telecast.start({ env: envOf(kafka) });
  await telecast.waitForSource("kafka");
  const checker = new Checker();
  await using _clients = await watch(telecast, checker);
  for (const codec of CODECS) {
    for (const [i, deviceId] of DEVICES.entries()) {
      const records = Array.from({ length: 20 }, (_, n) => ({
        value: trackingPayload(deviceId, checker.next(deviceId)),
        ...(n % 2 === 0 ? { key: deviceId } : {}),
      }));
      await kafka.produce(TOPIC, records, { codec, partition: i % 3 });
    }
  }
  await complete(checker);

  // The key is the device id if the payload has none.
  await using keyed = await WsClient.open(telecast.wsUrl("device_ids=by-key"));
  const bad = [{ value: "not json" }, { key: "k", value: null }, { value: '{"no":"id"}' }];
  await kafka.produce(TOPIC, [...bad, { key: "by-key", value: '{"speed":1}' }], { partition: 2 });
  const [message] = await keyed.waitForMessages(1);
  assert.equal(message!.data, '{"speed":1}');
  for (const reason of ["not_json", "not_json", "no_device_id"]) {
    assert.match(
      telecast.output,
      new RegExp(`${reason}.*tracking\\.data.*partition=2 offset=3\\d\\d`),
    );
  }
  await eventually("no lag, all committed", async () => {
    const { sources: [{ malformed, detail }] } = await telecast.json("/api/v1/stats");
    return malformed === 3 && detail.group === "telecast" && detail.lag === 0 &&
      detail.last_commit !== null && detail.partitions.length === 3 &&
      detail.partitions.every(({ committed }: { committed: number }) => committed >= 300);
  });
});

Deno.test("clients stay connected, and miss and repeat nothing, while Kafka is killed and restarted", async () => {
  await using kafka = await Kafka.start();
  await createTopic(kafka.bootstrap, TOPIC);
  await using telecast = await Telecast.start({ env: envOf(kafka) });
  await telecast.waitForSource("kafka");
  const checker = new Checker();
  await using _clients = await watch(telecast, checker);
  for (let round = 0; round < 2; round++) {
    {
      await using _stream = await Stream.start(kafka, checker);
      await flow(checker);
    }
    await eventually("all so far", () => checker.complete());
    await kafka.stop("SIGKILL");
    await eventually("degraded", async () => {
      const { status, reasons } = await telecast.json("/readyz");
      return status === "degraded" && reasons.length === 1;
    }, { timeoutMs: 40_000 });
    await kafka.start();
    await telecast.waitForSource("kafka", { timeoutMs: 60_000 });
  }
  {
    await using _stream = await Stream.start(kafka, checker);
    await flow(checker);
  }
  await complete(checker);
  assert.equal((await telecast.json("/readyz")).status, "ok");
});

Deno.test("nothing is lost or repeated, without uuid, when Telecast is killed under load", async () => {
  await using kafka = await Kafka.start();
  await createTopic(kafka.bootstrap, TOPIC);
  await using telecast = await Telecast.start({ env: envOf(kafka) });
  await telecast.waitForSource("kafka");
  const checker = new Checker();
  {
    await using _stream = await Stream.start(kafka, checker);
    for (let round = 0; round < 2; round++) {
      await flow(checker);
      await telecast.restart({ signal: "SIGKILL" });
    }
    await flow(checker);
  }
  // Counts everything ever stored, over all three runs.
  const stored = async () => (await telecast.json("/api/v1/stats")).fanout.position;
  const { published } = checker.report();
  await eventually("all stored", async () => await stored() >= published, { timeoutMs: 60_000 });
  await telecast.waitForSource("kafka");
  assert.equal(await stored(), published);
});

Deno.test("two instances share a group: one is killed, and the other's clients see each message once", async () => {
  await using kafka = await Kafka.start();
  await createTopic(kafka.bootstrap, TOPIC);
  await using kv = await DenoKv.start();
  const env = envOf(kafka, { ...kv.env, INGEST_MODE: "shared" });
  await using survivor = await Telecast.start({ env });
  await survivor.waitForSource("kafka");
  const checker = new Checker();
  await using _clients = await watch(survivor, checker);
  {
    await using _stream = await Stream.start(kafka, checker);
    for (let round = 0; round < 2; round++) {
      await using other = await Telecast.start({ env });
      const partitions = async (of: Telecast) =>
        (await of.json("/api/v1/stats")).sources[0].detail?.partitions.length;
      await eventually("its share", async () => await partitions(other) > 0, { timeoutMs: 40_000 });
      await flow(checker);
      await other.kill("SIGKILL");
      await eventually("all partitions", async () => await partitions(survivor) === 3, {
        timeoutMs: 40_000,
      });
      await flow(checker);
    }
  }
  await complete(checker);
});

for (const mode of ["lease", "shared"] as const) {
  Deno.test(`a store that stalls holds Kafka back (${mode}): nothing is lost, and it catches up`, async () => {
    await using kafka = await Kafka.start();
    await createTopic(kafka.bootstrap, TOPIC);
    await using kv = await DenoKv.start();
    const env = envOf(kafka, { ...kv.env, INGEST_MODE: mode });
    await using telecast = await Telecast.start({ env });
    await telecast.waitForSource("kafka");
    const checker = new Checker();
    await using _clients = await watch(telecast, checker);
    {
      await using _stream = await Stream.start(kafka, checker);
      await flow(checker);
      kv.process.kill("SIGSTOP");
      try {
        // More than the source's credits, so that it has to wait.
        await flow(checker, 8_000);
        const before = await telecast.process.residentBytes();
        await flow(checker, 12_000);
        const after = await telecast.process.residentBytes();
        assert.ok(after - before < 50e6, `${before} bytes became ${after}`);
        const { state } = (await telecast.json("/api/v1/stats")).sources[0];
        // Without proof of its lease, an instance stops consuming; without leases, it keeps going.
        assert.equal(state, mode === "lease" ? "stopped" : "connected");
      } finally {
        kv.process.kill("SIGCONT");
      }
      await flow(checker);
    }
    await complete(checker);
  });
}

Deno.test("without Kafka the program serves everything else, and logs the problem only once", async () => {
  await using mosquitto = await Mosquitto.start();
  await using kafka = await Kafka.prepare();
  await using telecast = await Telecast.start({
    env: envOf(kafka, { BROKER_HOST: mosquitto.url }),
  });
  await telecast.waitForSource("mqtt");
  await using client = await WsClient.open(telecast.wsUrl("device_ids=A"));
  await using publisher = await MqttPublisher.connect(mosquitto.url);
  await publisher.publish("fleet", trackingPayload("A", 1));
  await client.waitForMessages(1);
  const ofKafka = async () =>
    (await telecast.json("/api/v1/stats")).sources.find(({ kind }: { kind: string }) =>
      kind === "kafka"
    );
  await eventually("a reason", async () => /refused/.test((await ofKafka()).reason ?? ""));
  const { status, reasons } = await telecast.json("/readyz");
  assert.equal(status, "degraded");
  assert.match(reasons.join(), /kafka/);
  // After several more tries there is still one line.
  const from = performance.now();
  await eventually("more tries", () => performance.now() - from > 5_000);
  const lines = telecast.output.split("\n").filter((line) => /connection refused/.test(line));
  assert.equal(lines.length, 1, lines.join("\n"));
});

Deno.test("MQTT and Kafka feed one stream, with the same devices on both", async () => {
  await using mosquitto = await Mosquitto.start();
  await using kafka = await Kafka.start();
  await createTopic(kafka.bootstrap, TOPIC);
  await using telecast = await Telecast.start({
    env: envOf(kafka, { BROKER_HOST: mosquitto.url }),
  });
  await telecast.waitForSource("mqtt");
  await telecast.waitForSource("kafka");
  const checker = new Checker();
  await using _clients = await watch(telecast, checker);
  await using publisher = await MqttPublisher.connect(mosquitto.url);
  for (let round = 0; round < 5; round++) {
    for (const deviceId of DEVICES) {
      await publisher.publish("fleet", trackingPayload(deviceId, checker.next(deviceId)));
    }
    await eventually("from MQTT", () => checker.complete());
    const both = DEVICES.map((deviceId) => trackingPayload(deviceId, checker.next(deviceId)));
    await kafka.produce(TOPIC, both.map((value) => ({ value })));
    // The same message from the other source is a repeat, by its uuid.
    for (const payload of both) await publisher.publish("fleet", payload);
    await eventually("from Kafka", () => checker.complete());
  }
  await complete(checker);
});
