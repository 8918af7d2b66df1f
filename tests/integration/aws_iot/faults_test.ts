import assert from "node:assert/strict";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { EmbeddedBroker } from "../../../ingest/demo/broker.ts";
import { MemoryBuffer } from "../../../ingest/aws_iot/memory_buffer.ts";
import type { Outbound } from "../../../ingest/aws_iot/outbound_buffer.ts";
import { AwsIotService, type Receipt } from "../../../ingest/aws_iot/service.ts";
import { AwsIotSource } from "../../../ingest/aws_iot/source.ts";
import { AwsBroker, DEVICE } from "../../ingest/aws_iot/aws_broker.ts";
import { ManualClock } from "../../ingest/aws_iot/manual_clock.ts";
import { TlsFront } from "../../ingest/aws_iot/tls_front.ts";
import { Certificates } from "../../kit/servers/certificates.ts";
import { eventually, within } from "../../kit/eventually.ts";
import { SourceProbe } from "../../ingest/runtime/source_probe.ts";
import { TcpProxy } from "../../kit/servers/tcp_proxy.ts";

const numbersOf = (payloads: readonly string[]) =>
  payloads.map((payload) => JSON.parse(payload).data.n as number);
const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);

/** The numbers in the order in which they were first seen, without QoS 1 repeats. */
const firsts = (numbers: readonly number[]) => [...new Set(numbers)];

Deno.test("AWS IoT: kill -9 of the broker during 1,000 publishes: all arrive in order, none is kept twice", async () => {
  await using broker = await AwsBroker.start();
  await using proxy = await TcpProxy.start(broker.mosquitto.tlsPort!);
  const kept: Outbound[] = [];
  class WatchedBuffer extends MemoryBuffer {
    override append(messages: readonly Outbound[]) {
      kept.push(...messages);
      return super.append(messages);
    }
  }
  await using service = new AwsIotService(
    {
      ...await broker.thing(),
      endpoint: `localhost:${proxy.port}`,
      retryBaseMs: 100,
      publishesPerSecond: 400,
    },
    { buffer: (onDropped) => new WatchedBuffer({ onDropped }) },
  );
  await service.start();
  const receipts: Promise<Receipt>[] = [];
  let seenBefore: number[];
  {
    await using subscriber = await broker.subscribe("bombercat/telemetry");
    const publishing = (async () => {
      for (const n of upTo(1000)) {
        receipts.push(service.publishTelemetry({ n }));
        if (n % 10 === 9) await new Promise((resolve) => setTimeout(resolve, 10));
      }
    })();
    await subscriber.waitForMessages(200);
    await proxy.refuse();
    await broker.mosquitto.stop("SIGKILL");
    await publishing;
    await Promise.all(receipts);
    seenBefore = numbersOf(subscriber.payloads);
  }
  const outcomes = await Promise.all(receipts);
  assert.ok(outcomes.includes("published") && outcomes.includes("buffered"));
  assert.equal(new Set(kept.map(({ id }) => id)).size, kept.length, "a message was kept twice");
  assert.ok(service.status().buffered > 0);
  await broker.mosquitto.start();
  await using subscriber = await broker.subscribe("bombercat/telemetry");
  await proxy.accept();
  await eventually("the end of the buffer", () => service.status().buffered === 0, {
    timeoutMs: 20_000,
  });
  await eventually("the last one", () => numbersOf(subscriber.payloads).includes(999));
  const seen = [...seenBefore, ...numbersOf(subscriber.payloads)];
  assert.deepEqual(firsts(seen), upTo(1000));
  assert.ok(seen.length - 1000 <= 50, `${seen.length - 1000} came twice: more than were in flight`);
  assert.equal(service.status().totals.dropped, 0);
});

Deno.test("AWS IoT: the breaker opens after five failed tries, and closes when the broker is back", async () => {
  await using broker = await AwsBroker.start({ down: true });
  const records: LogRecord[] = [];
  await configure({
    reset: true,
    sinks: { test: (record) => records.push(record) },
    loggers: [
      { category: "telecast", lowestLevel: "info", sinks: ["test"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["test"] },
    ],
  });
  const clock = new ManualClock();
  await using service = new AwsIotService(await broker.thing(), { clock });
  const started = service.start();
  const waits: number[] = [];
  for (let attempt = 0; attempt <= 6; attempt++) {
    // The keepalive also sleeps, for at most 25 s; the other sleeper is the connection.
    const retryMs = await eventually(`the wait after try ${attempt}`, () => {
      const { reconnect_attempts, connection_status } = service.status();
      const isWaiting = connection_status === "reconnecting" ||
        connection_status === "circuit_open";
      return isWaiting && reconnect_attempts === attempt && clock.waits.length > 1 &&
        retryOf(clock, attempt);
    });
    waits.push(retryMs);
    const { connection_status, breaker_open } = service.status();
    assert.equal(connection_status, attempt < 5 ? "reconnecting" : "circuit_open");
    assert.equal(breaker_open, attempt >= 5);
    if (attempt < 6) clock.advance(retryMs);
  }
  assert.deepEqual(waits, [1, 2, 4, 8, 16, 60, 60].map((seconds) => seconds * 1000));
  assert.equal(await started, false);
  const { gauges, counters } = service.figures();
  assert.equal(gauges.aws_iot_breaker_open, 1);
  assert.equal(counters.aws_iot_breaker_opened, 1);
  const text = (record: LogRecord) => record.message.join("");
  const opened = records.filter((record) => /circuit breaker is open: 5 tries/.test(text(record)));
  assert.equal(opened.length, 1);
  assert.equal(opened[0]!.level, "error");
  assert.equal(await service.publishTelemetry({ n: 1 }), "buffered");

  await broker.mosquitto.start();
  await using subscriber = await broker.subscribe("bombercat/telemetry");
  clock.advance(60_000);
  await eventually("the connection", () => service.isConnected);
  await subscriber.waitForMessages(1);
  const status = service.status();
  assert.equal(status.connection_status, "connected");
  assert.equal(status.reconnect_attempts, 0);
  assert.equal(status.breaker_open, false);
  assert.ok(records.some((record) => /circuit breaker is closed/.test(text(record))));
  await reset();
});

function retryOf(clock: ManualClock, attempt: number): number | undefined {
  const expected = [1, 2, 4, 8, 16][attempt] ?? 60;
  return clock.waits.find((ms) => ms === expected * 1000);
}

Deno.test("AWS IoT: messages that a connected broker does not acknowledge are kept and sent once", async () => {
  await using broker = await AwsBroker.start();
  await using proxy = await TcpProxy.start(broker.mosquitto.tlsPort!);
  await using subscriber = await broker.subscribe("bombercat/telemetry");
  await using service = new AwsIotService({
    ...await broker.thing(),
    endpoint: `localhost:${proxy.port}`,
    ackTimeoutMs: 200,
  });
  await service.start();
  assert.equal(await service.publishTelemetry({ n: 0 }), "published");
  proxy.stall();
  const receipts = upTo(60).slice(1).map((n) => service.publishTelemetry({ n }));
  assert.deepEqual(
    new Set(await within("the receipts", Promise.all(receipts))),
    new Set(["buffered"]),
  );
  assert.equal(service.status().buffered, 59);
  proxy.pass();
  await eventually("the end of the buffer", () => service.status().buffered === 0);
  assert.deepEqual(numbersOf(await subscriber.waitForMessages(60)), upTo(60));
});

Deno.test("AWS IoT: the rate stays below 100 publishes a second, however many are waiting", async () => {
  await using broker = await AwsBroker.start();
  await using proxy = await TcpProxy.start(broker.mosquitto.tlsPort!);
  await using service = new AwsIotService({
    ...await broker.thing(),
    endpoint: `localhost:${proxy.port}`,
  });
  await service.start();
  const acks: number[] = [];
  await Promise.all(
    upTo(300).map(async (n) => {
      assert.equal(await service.publishTelemetry({ n }), "published");
      acks.push(performance.now());
    }),
  );
  const took = acks.at(-1)! - acks[0]!;
  assert.ok(took > 2_900, `300 in ${took} ms`);
});

Deno.test("AWS IoT: messages that wait at a stop are in the buffer, and a new service sends them", async () => {
  await using broker = await AwsBroker.start();
  const buffer = new MemoryBuffer();
  const thing = await broker.thing();
  const service = new AwsIotService({ ...thing, publishesPerSecond: 1 }, { buffer: () => buffer });
  await service.start();
  const receipts = upTo(30).map((n) => service.publishTelemetry({ n }));
  await service.stop();
  const outcomes = await Promise.all(receipts);
  assert.equal(outcomes.filter((outcome) => outcome === "buffered").length, buffer.size);
  assert.ok(buffer.size >= 20, `${buffer.size} in the buffer`);
  await using subscriber = await broker.subscribe("bombercat/telemetry");
  await using next = new AwsIotService(thing, { buffer: () => buffer });
  await next.start();
  await eventually("the end of the buffer", () => buffer.size === 0);
  const rest = numbersOf(
    await subscriber.waitForMessages(outcomes.length - outcomes.indexOf("buffered")),
  );
  assert.deepEqual(rest, upTo(30).slice(outcomes.indexOf("buffered")));
  await assert.rejects(service.publishTelemetry({ n: 1 }), /not started/);
});

Deno.test("AWS IoT: a message that ends every connection is given up, and the others are sent", async () => {
  // Like AWS, this broker ends the connection of a client that publishes without permission.
  await using plain = await EmbeddedBroker.start({ host: "127.0.0.1", port: 0 });
  plain.aedes.authorizePublish = (_client, { topic }, done) =>
    done(topic.startsWith("bombercat/commands/") ? new Error("not authorized") : null);
  await using certificates = await Certificates.create();
  await using front = await TlsFront.start(
    await certificates.server(),
    Number(new URL(plain.url).port),
  );
  await using service = new AwsIotService({
    endpoint: `localhost:${front.port}`,
    caPath: certificates.caPath,
    ...await certificates.client(DEVICE),
    clientId: DEVICE,
    retryBaseMs: 20,
    slowRetryMs: 20,
  });
  assert.equal(await service.start(), true);
  const seen: number[] = [];
  plain.aedes.subscribe("bombercat/telemetry", (packet, done) => {
    seen.push(JSON.parse(packet.payload.toString()).data.n);
    done();
  }, () => {});
  assert.equal(await service.publishTelemetry({ n: 0 }), "published");
  assert.equal(await service.publishCommand("X", "{}"), "buffered");
  for (const n of [1, 2, 3]) await service.publishTelemetry({ n });
  await eventually("the others", () => seen.includes(3), { timeoutMs: 20_000 });
  assert.deepEqual(firsts(seen), [0, 1, 2, 3]);
  assert.equal(service.status().totals.refused, 1);
  await eventually("the end of the buffer", () => service.status().buffered === 0);
});

Deno.test("AWS IoT: the ALPN of port 443 is requested, and at most 8 topics per SUBSCRIBE", async () => {
  await using plain = await EmbeddedBroker.start({ host: "127.0.0.1", port: 0 });
  const packets: number[] = [];
  plain.aedes.on("subscribe", (topics) => packets.push(topics.length));
  await using certificates = await Certificates.create();
  await using front = await TlsFront.start(
    await certificates.server(),
    Number(new URL(plain.url).port),
  );
  const pair = await certificates.client(DEVICE);
  await using probe = new SourceProbe((context) =>
    new AwsIotSource({
      host: "localhost",
      port: front.port,
      caPath: certificates.caPath,
      ...pair,
      clientId: DEVICE,
      topics: Array.from({ length: 20 }, (_, n) => `bombercat/commands/${n}`),
      clean: true,
      gzipBytes: 0,
      alpnProtocols: ["x-amzn-mqtt-ca"],
    }, context)
  );
  await probe.connected();
  assert.deepEqual(front.alpn.at(-1), "x-amzn-mqtt-ca");
  assert.deepEqual(packets, [8, 8, 4]);
});
