/**
 * Profiles each thread of the program under load, prints where the time went, and saves the
 * profiles for Chromium's DevTools or speedscope under tests/bench/results/.
 *
 *     deno task profile                  every stage
 *     deno task profile mqtt ws kafka    some of them
 */

import { createTopic } from "../../ingest/kafka/run_source.ts";
import { Kafka } from "../../kit/servers/kafka.ts";
import { Mosquitto } from "../../kit/servers/mosquitto.ts";
import { preload, TOPIC } from "../kafka_ingest.ts";
import { buildLoad, Load, type LoadOptions } from "../load.ts";
import { spent } from "./profile_report.ts";
import { Profiled } from "./profiled_process.ts";

const RESULTS = new URL("../results/", import.meta.url).pathname;
const SECONDS = 5;
const TOP = 25;
const BLAST = 300_000;

type Audience = Pick<LoadOptions, "transport" | "clients" | "devices" | "each"> & {
  readonly rate: number;
  readonly query?: string;
};

/** The load of each stage; a rate of 0 means as fast as the broker sends. */
export const STAGES: Record<string, Audience> = {
  mqtt: { transport: "ws", clients: 0, devices: 300, each: 1, rate: 0 },
  ws: { transport: "ws", clients: 200, devices: 200, each: 1, rate: 10_000 },
  sse: { transport: "sse", clients: 200, devices: 200, each: 1, rate: 10_000 },
  "ws-x200": { transport: "ws", clients: 200, devices: 10, each: 10, rate: 200 },
  "sse-x200": { transport: "sse", clients: 200, devices: 10, each: 10, rate: 2_000 },
  "batch-x200": {
    transport: "ws",
    clients: 200,
    devices: 10,
    each: 10,
    rate: 1_000,
    query: "batch_ms=20",
  },
};
const KAFKA_MESSAGES = 1_000_000;

if (import.meta.main) await main(Deno.args);

async function main(args: readonly string[]): Promise<void> {
  const names = args.length > 0 ? args : [...Object.keys(STAGES), "kafka"];
  const unknown = names.filter((name) => !(name in STAGES) && name !== "kafka");
  if (unknown.length > 0) {
    print(`Unknown: ${unknown.join(" ")}. Stages: ${Object.keys(STAGES).join(" ")} kafka`);
    Deno.exit(2);
  }
  await buildLoad();
  for (const name of names) {
    const folder = `${RESULTS}profile-${name}`;
    await Deno.remove(folder, { recursive: true }).catch(() => {});
    await Deno.mkdir(folder, { recursive: true });
    if (name === "kafka") await profileKafka(folder);
    else await profileStage(folder, STAGES[name]!);
  }
}

async function profileStage(folder: string, audience: Audience): Promise<void> {
  await using broker = await Mosquitto.start({ maxQueuedMessages: 0 });
  await using program = await Profiled.start(folder, {
    BROKER_HOST: broker.url,
    BROKER_TOPIC: "bench/#",
    MQTT_QOS: "0",
  });
  await program.connected("mqtt");
  await using load = await Load.open({ ...audience, broker, port: program.port });
  const send = async (seconds: number, count: number): Promise<number> => {
    const stored = await program.stored();
    if (audience.rate === 0) await load.blast(count);
    else count = (await load.step({ rate: audience.rate, seconds, drainSeconds: 2 })).sent;
    await program.storedUpTo(stored + count);
    return count;
  };
  await send(3, BLAST / 4);
  await program.begin();
  await report(folder, await send(SECONDS, BLAST), await program.end());
}

async function profileKafka(folder: string): Promise<void> {
  await using kafka = await Kafka.start();
  await createTopic(kafka.bootstrap, TOPIC, 3);
  await preload(kafka.bootstrap, KAFKA_MESSAGES);
  await using program = await Profiled.start(folder, {
    KAFKA_BOOTSTRAP_SERVERS: kafka.bootstrap,
    KAFKA_TOPIC: TOPIC,
    KAFKA_AUTO_OFFSET_RESET: "earliest",
  });
  await program.storedUpTo(KAFKA_MESSAGES * 0.2);
  await program.begin();
  const before = await program.stored();
  await program.storedUpTo(KAFKA_MESSAGES * 0.9);
  await report(folder, await program.stored() - before, await program.end());
}

async function report(folder: string, messages: number, used: number): Promise<void> {
  print(`\n== ${folder}: ${messages} messages, ${(used / messages).toFixed(2)} µs each in total`);
  for (const { name } of Deno.readDirSync(folder)) {
    const { busy, functions } = spent(JSON.parse(await Deno.readTextFile(`${folder}/${name}`)));
    print(`-- ${name}: ${(busy / messages).toFixed(2)} µs a message; self / total`);
    const top = functions.sort((a, b) => b.self - a.self).slice(0, TOP);
    for (const { name, self, total } of top) {
      const micros = (value: number) => (value / messages).toFixed(2).padStart(7);
      print(`${micros(self)} ${micros(total)}  ${name}`);
    }
  }
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
