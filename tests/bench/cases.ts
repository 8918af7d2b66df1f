/** The bench's cases, by the names that `--only` accepts. */

import type { Mosquitto } from "../kit/servers/mosquitto.ts";
import { TestProcess } from "../kit/servers/process.ts";
import { measureBusy, measureIdle, measureResume } from "./connections.ts";
import { CLIENTS, DEVICES, measureGrowth, OTHER_IDS } from "./growth.ts";
import { measureKafkaIngest } from "./kafka_ingest.ts";
import { measureMqttIngest } from "./mqtt_ingest.ts";
import type { Results } from "./results.ts";
import { measureStart } from "./startup.ts";
import type { TargetName } from "./target.ts";
import type { Shape, Throughput } from "./throughput.ts";

export interface CaseContext {
  readonly broker: Mosquitto;
  readonly results: Results;
  readonly throughput: Throughput;
  readonly rounds: number;
  readonly print: (text: string) => void;
}

interface Case {
  readonly name: string;
  run(context: CaseContext): Promise<void>;
}

const ALL: readonly TargetName[] = ["telecast", "raw deno", "fastapi"];
const TRANSPORTS = ["ws", "sse"] as const;

const oneToOne = (transport: "ws" | "sse"): Shape => ({
  name: `1:1, ${transport}`,
  transport,
  clients: 200,
  devices: 200,
  each: 1,
  lowRate: 1_000,
});
const x10 = (transport: "ws" | "sse"): Shape => ({
  name: `x10, ${transport}`,
  transport,
  clients: 200,
  devices: 200,
  each: 10,
  lowRate: 500,
});
const x200 = (transport: "ws" | "sse"): Shape => ({
  name: `x200, ${transport}`,
  transport,
  clients: 200,
  devices: 10,
  each: 10,
  lowRate: 50,
});
const BATCHED: Shape = { ...x200("ws"), name: "x200, ws, batch_ms=20", query: "batch_ms=20" };

async function inTurns(
  { throughput, rounds }: CaseContext,
  shapes: readonly Shape[],
  targets: readonly TargetName[],
): Promise<void> {
  for (const shape of shapes) {
    for (let round = 0; round < rounds; round++) {
      for (const target of targets) await throughput.measure(target, shape);
    }
  }
}

async function repeated(rounds: number, work: () => Promise<void>): Promise<void> {
  for (let round = 0; round < rounds; round++) await work();
}

export const CASES: readonly Case[] = [
  {
    name: "start",
    run: ({ results, broker, rounds }) =>
      repeated(rounds, async () => {
        for (const target of ALL) await measureStart(results, broker, target);
      }),
  },
  { name: "1:1", run: (context) => inTurns(context, TRANSPORTS.map(oneToOne), ALL) },
  { name: "x200", run: (context) => inTurns(context, TRANSPORTS.map(x200), ALL) },
  { name: "batch", run: (context) => inTurns(context, [BATCHED], ["telecast"]) },
  {
    name: "latency",
    run: ({ throughput, rounds }) =>
      repeated(rounds, async () => {
        for (const shape of [oneToOne("ws"), oneToOne("sse"), x200("ws")]) {
          await throughput.latency(shape, [0.25, 0.5, 0.75]);
        }
      }),
  },
  {
    name: "mqtt",
    run: ({ results, rounds }) =>
      repeated(rounds, async () => {
        for (const qos of [0, 1] as const) await measureMqttIngest(results, qos);
      }),
  },
  {
    name: "kafka",
    run: ({ results, rounds }) => measureKafkaIngest(results, { count: 1_000_000, rounds }),
  },
  {
    name: "connections",
    run: ({ results, broker, rounds }) =>
      repeated(rounds, async () => {
        for (const transport of TRANSPORTS) {
          for (const target of ALL) {
            await measureIdle(results, broker, { target, transport, clients: 10_000 });
          }
          const busy = { target: "telecast", transport, clients: 1_000 } as const;
          await measureBusy(results, broker, busy);
          await measureResume(results, broker, { transport, clients: 1_000, missed: 100 });
        }
      }),
  },
  {
    name: "growth",
    run: async ({ results, broker }) => {
      for (const size of [...DEVICES, ...OTHER_IDS, ...CLIENTS]) {
        await measureGrowth(results, broker, size);
      }
    },
  },
  {
    name: "threads",
    run: (context) => {
      const threads = (count: number): Shape => ({
        ...x200("ws"),
        name: `x200, ws, ${count} thread${count === 1 ? "" : "s"}`,
        env: { WEB_CONCURRENCY: String(count) },
      });
      return inTurns(context, [threads(1), threads(2)], ["telecast"]);
    },
  },
  { name: "x10", run: (context) => inTurns({ ...context, rounds: 1 }, TRANSPORTS.map(x10), ALL) },
  {
    name: "instances",
    run: async ({ print }) => {
      const script = new URL("cluster/cluster.ts", import.meta.url).pathname;
      print(
        await TestProcess.run(Deno.execPath(), {
          args: ["run", "-A", script, "--short"],
          timeoutMs: 300_000,
        }),
      );
    },
  },
];
