import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { zstdCompressSync } from "node:zlib";
import kafkajs from "kafkajs";
import RequestQueue from "kafkajs/src/network/requestQueue/index.js";
import { toKafkajs } from "../../../ingest/kafka/address.ts";
import { registerCodecs } from "../../../ingest/kafka/codecs.ts";
import { kafkaLog } from "../../../ingest/kafka/kafka_log.ts";
import { isRefused, reasonOf } from "../../../ingest/kafka/reason.ts";
import { tameRequestQueue } from "../../../ingest/kafka/request_queue.ts";

interface Codec {
  compress(encoder: { buffer: Buffer }): Promise<Buffer>;
  decompress(buffer: Buffer): Promise<Buffer>;
}

function codec(type: number): Codec {
  registerCodecs();
  return (kafkajs.CompressionCodecs as Record<number, () => Codec>)[type]!();
}

const { GZIP, Snappy, LZ4, ZSTD } = kafkajs.CompressionTypes;

Deno.test("registerCodecs() registers codecs that can read what they write", async () => {
  const text = Buffer.from(JSON.stringify(Array.from({ length: 5_000 }, (_, i) => ({ i }))));
  for (const type of [GZIP, Snappy, LZ4, ZSTD]) {
    const { compress, decompress } = codec(type);
    const packed = await compress({ buffer: text });
    assert.ok(packed.length < text.length / 2, `codec ${type}`);
    assert.ok((await decompress(packed)).equals(text), `codec ${type}`);
  }
});

Deno.test("the codecs refuse a batch that would fill the memory", async () => {
  const bomb = zstdCompressSync(Buffer.alloc(65 * 1024 * 1024));
  await assert.rejects(codec(ZSTD).decompress(bomb));
  const block = Buffer.concat([Buffer.from([1, 0, 0, 0]), Buffer.from([0])]);
  const header = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73]);
  const end = Buffer.alloc(4);
  const blocks = Buffer.concat([header, ...Array<Buffer>(40).fill(block), end]);
  await assert.rejects(codec(LZ4).decompress(blocks), /too large/);
  await assert.rejects(codec(LZ4).decompress(Buffer.from("garbage")));
});

Deno.test("tameRequestQueue() sets no timer while nothing is pending", async () => {
  tameRequestQueue();
  tameRequestQueue();
  const options = { requestTimeout: 1_000, logger: { debug() {} }, maxInFlightRequests: null };
  const queue = new RequestQueue(options);
  queue.checkPendingRequests();
  assert.equal(queue.throttleCheckTimeoutId, null);

  // A request that has to wait for the end of a throttle is still sent then.
  queue.maybeThrottle(20);
  const sent = Promise.withResolvers<void>();
  queue.push({ entry: { correlationId: 1 }, expectResponse: true, sendRequest: sent.resolve });
  await sent.promise;
  assert.equal(queue.throttleCheckTimeoutId, null);
  queue.destroy();
});

Deno.test("reasonOf() says what to do, however deep the cause is nested", () => {
  const refused = Object.assign(new Error("connect failed"), {
    name: "KafkaJSConnectionError",
    code: "ECONNREFUSED",
    broker: "k1:9092",
  });
  assert.equal(reasonOf(refused), "k1:9092: connection refused");
  const type = "GROUP_AUTHORIZATION_FAILED";
  const denied = Object.assign(new Error("Not authorized"), { type });
  const wrapped = new Error("Number of retries exceeded", { cause: denied });
  assert.match(reasonOf(wrapped), /check KAFKA_GROUP_ID/);
  assert.ok(isRefused(wrapped, type));
  assert.equal(reasonOf("odd"), "odd");
  const late = new Error("Connection error: write after end");
  assert.match(reasonOf(Object.assign(late, { broker: "k1:9092" })), /^k1:9092: .*KAFKA_CERT_PATH/);
  const noTls = new Error("socket disconnected before secure TLS connection was established");
  assert.equal(
    reasonOf(Object.assign(noTls, { broker: toKafkajs("[::1]:9092") })),
    "[::1]:9092: no TLS at this port: check KAFKA_SSL",
  );
});

Deno.test("kafkaLog() masks secrets, limits its lines and keeps connections at debug level", () => {
  const lines: string[] = [];
  const write = (level: string, text: string) => void lines.push(`${level} ${text}`);
  const log = kafkaLog(write, ["hunter2"])();
  const entry = (namespace: string, message: string) => ({
    namespace,
    level: kafkajs.logLevel.ERROR,
    label: "ERROR",
    log: { timestamp: "", message, topic: "t", partition: 3, stack: "hidden" },
  });
  log(entry("Connection", "no route with hunter2"));
  for (let i = 0; i < 100; i++) log(entry("ConsumerGroup", "Offset out of range"));
  assert.equal(lines[0], "debug kafkajs Connection: no route with *** topic=t partition=3");
  assert.equal(lines[1], "warning kafkajs ConsumerGroup: Offset out of range topic=t partition=3");
  assert.equal(lines.length, 6);
});
