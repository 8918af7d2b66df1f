/**
 * Measures Telecast beside a Python service and beside raw Deno, in one run: rates on a shared
 * machine vary, ratios hold.
 *
 *     deno task bench            all of it, about a quarter of an hour
 *     deno task bench --short    small; fails on a lost, repeated or reordered message, never on time
 */

import { Mosquitto } from "../kit/mosquitto.ts";
import { buildLoad } from "./load.ts";
import { Bench, faultless, type Measurement, type Shape } from "./measure.ts";
import { save, table } from "./report.ts";
import type { TargetName } from "./target.ts";

const TARGETS: readonly TargetName[] = ["raw deno", "telecast", "fastapi"];
const TRANSPORTS = ["ws", "sse"] as const;

const ONE_TO_ONE: Shape = {
  name: "1:1, 200 clients",
  clients: 200,
  devices: 200,
  each: 1,
  firstRate: 2_000,
};
const FAN_OUT: Shape = {
  name: "fan-out, 200 clients of the same 10 devices",
  clients: 200,
  devices: 10,
  each: 10,
  firstRate: 50,
};
const STEADY: Shape = {
  name: "100 clients",
  clients: 100,
  devices: 100,
  each: 1,
  firstRate: 1_000,
};

if (import.meta.main) Deno.exit(await main(Deno.args));

async function main(args: readonly string[]): Promise<number> {
  const short = args.includes("--short");
  const unknown = args.filter((arg) => arg !== "--short");
  if (unknown.length > 0) {
    print(`Unknown: ${unknown.join(" ")}. The one flag is --short.`);
    return 2;
  }
  await buildLoad();
  await using broker = await Mosquitto.start();
  const bench = new Bench(broker, { seconds: 2, onResult: progress });
  const faults = short ? await runShort(bench) : await runAll(bench);
  print("\n" + table(bench.measurements, TARGETS));
  print(`\nAll figures: ${await save(bench.measurements, short)}`);
  for (const fault of faults) print(`FAILED: ${fault}`);
  return faults.length === 0 ? 0 : 1;
}

async function runAll(bench: Bench): Promise<string[]> {
  for (const transport of TRANSPORTS) {
    for (const shape of [ONE_TO_ONE, FAN_OUT]) {
      for (const target of TARGETS) await bench.throughput(target, transport, shape);
    }
  }
  const faults = await steady(bench, STEADY, { rate: 1_000, seconds: 10 });
  for (const transport of TRANSPORTS) {
    for (const target of TARGETS) await bench.idleMemory(target, transport, 1_000);
  }
  return faults;
}

async function runShort(bench: Bench): Promise<string[]> {
  const few = { ...STEADY, name: "20 clients", clients: 20, devices: 20 };
  const same = { ...FAN_OUT, name: "20 clients of the same 10 devices", clients: 20 };
  return [
    ...await steady(bench, few, { rate: 500, seconds: 2 }),
    ...await steady(bench, same, { rate: 100, seconds: 2 }),
  ];
}

/** Latencies at one rate; what Telecast lost or disordered at it. */
async function steady(
  bench: Bench,
  shape: Shape,
  options: { rate: number; seconds: number },
): Promise<string[]> {
  const faults: string[] = [];
  for (const transport of TRANSPORTS) {
    for (const target of TARGETS) {
      const result = await bench.latency(target, transport, { shape, ...options });
      if (target !== "telecast" || faultless(result)) continue;
      const { lost, repeated, reordered, closed } = result;
      faults.push(
        `${shape.name}, ${transport}: lost ${lost}, repeated ${repeated}, ` +
          `reordered ${reordered}, connections closed ${closed}`,
      );
    }
  }
  return faults;
}

function progress({ target, what, value, unit }: Measurement): void {
  print(`${target.padEnd(9)} ${what}: ${value.toLocaleString("en")} ${unit}`);
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
}
