/**
 * Measures Kafka ingest alone: preloaded messages of 300 bytes, from `earliest` until all are
 * committed to the store, next to a bare kafkajs consumer that only parses them, in one run.
 *
 *     deno run -A tests/bench/kafka_ingest.ts [messages]      also prints memory after each tenth
 */

import kafkajs from "kafkajs";
import { clientOf, createTopic } from "../ingest/kafka/run_source.ts";
import { Kafka } from "../kit/servers/kafka.ts";
import { trackingPayload } from "../kit/payload.ts";
import { TestProcess } from "../kit/servers/process.ts";
import { Telecast } from "../kit/servers/telecast.ts";
import { cpuMicros } from "./noise.ts";
import { Results } from "./results.ts";

export const TOPIC = "bench";
const DEVICES = 300;
const PARTITIONS = 3;
const BATCH = 5_000;
const WHAT = "Kafka";

if (import.meta.main) {
  if (Deno.args[0] === "peer") await peer(Deno.args[1]!, Deno.args[2]!, Number(Deno.args[3]));
  else await main(Number(Deno.args[0] ?? 1_000_000));
}

async function main(count: number): Promise<void> {
  const results = new Results(({ target, what, value, unit }) =>
    print(`${target.padEnd(11)} ${what}: ${value.toLocaleString("en")} ${unit}`)
  );
  await measureKafkaIngest(results, {
    count,
    rounds: 3,
    onMemory: (megabytes) => print(`MB after each tenth: ${megabytes.join(" ")}`),
  });
  const [telecast, bare] = [results.median("telecast", WHAT), results.median("bare client", WHAT)];
  print(`telecast / bare, ratio of the medians: ${(telecast! / bare!).toFixed(2)}`);
}

/** Runs all rounds on messages that are loaded once; the two consumers alternate. */
export async function measureKafkaIngest(
  results: Results,
  { count, rounds, onMemory }: {
    count: number;
    rounds: number;
    /** Called with the megabytes in use after each tenth. */
    onMemory?: (megabytes: readonly number[]) => void;
  },
): Promise<void> {
  await using kafka = await Kafka.start();
  await createTopic(kafka.bootstrap, TOPIC, PARTITIONS);
  await preload(kafka.bootstrap, count);
  for (let round = 1; round <= rounds; round++) {
    const group = `round-${round}`;
    const bare = await runPeer(kafka.bootstrap, group, count);
    const telecast = await runTelecast(kafka.bootstrap, group, count);
    for (const [target, run] of [["bare client", bare], ["telecast", telecast]] as const) {
      results.add({ target, what: WHAT, unit: "messages/s", value: run.rate });
      results.add({
        target,
        what: `${WHAT}, processor`,
        unit: "µs a message",
        value: run.cpuMicros / count,
        lessIsBetter: true,
      });
    }
    const { megabytes } = telecast;
    onMemory?.(megabytes);
    const what = `${WHAT}, growth of memory over the second half`;
    const value = megabytes.at(-1)! - megabytes[4]!;
    results.add({ target: "telecast", what, unit: "MB", value, lessIsBetter: true });
  }
}

export async function preload(server: string, count: number): Promise<void> {
  const producer = (await clientOf(server)).producer();
  await producer.connect();
  for (let sent = 0; sent < count; sent += BATCH) {
    const messages = Array.from({ length: Math.min(BATCH, count - sent) }, (_, i) => {
      const n = sent + i;
      const device = n % DEVICES;
      const key = `device-${device}`;
      const value = trackingPayload(key, Math.floor(n / DEVICES) + 1, { chars: 300 });
      return { key, value, partition: device % PARTITIONS };
    });
    await producer.send({ topic: TOPIC, messages });
  }
  await producer.disconnect();
}

interface Result {
  /** Messages a second. */
  readonly rate: number;
  /** On a busy machine this says more than the rate. */
  readonly cpuMicros: number;
}

async function runPeer(server: string, group: string, count: number): Promise<Result> {
  const script = new URL(import.meta.url).pathname;
  const output = await TestProcess.run(Deno.execPath(), {
    name: "peer",
    args: ["run", "-A", script, "peer", server, `bare-${group}`, String(count)],
    timeoutMs: 300_000,
  });
  return JSON.parse(output);
}

/** The bare consumer; prints its result, timed from the first message to the last. */
async function peer(server: string, groupId: string, count: number): Promise<void> {
  const consumer = new kafkajs.Kafka({ brokers: [server], logLevel: kafkajs.logLevel.NOTHING })
    .consumer({ groupId });
  await consumer.connect();
  await consumer.subscribe({ topics: [TOPIC], fromBeginning: true });
  let seen = 0;
  let since = 0;
  const done = Promise.withResolvers<void>();
  await consumer.run({
    eachBatch: ({ batch }) => {
      if (since === 0) since = performance.now();
      for (const { value } of batch.messages) JSON.parse(value!.toString());
      seen += batch.messages.length;
      if (seen === count) done.resolve();
      return Promise.resolve();
    },
  });
  await done.promise;
  const rate = Math.round(seen / ((performance.now() - since) / 1000));
  print(JSON.stringify({ rate, cpuMicros: await cpuMicros(Deno.pid) } satisfies Result));
  Deno.exit(0);
}

async function runTelecast(server: string, group: string, count: number) {
  await using telecast = await Telecast.start({
    env: {
      KAFKA_BOOTSTRAP_SERVERS: server,
      KAFKA_TOPIC: TOPIC,
      KAFKA_GROUP_ID: group,
      KAFKA_AUTO_OFFSET_RESET: "earliest",
    },
  });
  let since = 0;
  const megabytes: number[] = [];
  while (true) {
    const stored = (await telecast.json("/api/v1/stats")).fanout.stored;
    if (stored > 0 && since === 0) since = performance.now();
    if (stored >= (megabytes.length + 1) * count / 10) {
      megabytes.push(Math.round(await telecast.process.residentBytes() / 1e6));
    }
    if (stored >= count) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const rate = Math.round(count / ((performance.now() - since) / 1000));
  return { rate, cpuMicros: await cpuMicros(telecast.process.pid), megabytes };
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
