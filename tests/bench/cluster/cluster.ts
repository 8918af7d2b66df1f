/**
 * Measures the path from one instance to another through denokv, next to Deno's own client for it,
 * in one run: on a shared machine rates vary, but ratios hold.
 *
 *     deno run -A tests/bench/cluster/cluster.ts              latency, writers, throughput; two minutes
 *     deno run -A tests/bench/cluster/cluster.ts --short      a few seconds of each
 *     deno run -A tests/bench/cluster/cluster.ts --cost       cost per message as the cluster grows
 *     deno run -A tests/bench/cluster/cluster.ts --growth=5   size of the store over five minutes
 */

import { DenoKv } from "../../kit/servers/denokv.ts";
import { measureCost } from "./cost.ts";
import { measureGrowth } from "./growth.ts";
import { hubMicroseconds } from "./hub.ts";
import type { NodeTask, ReadResult, WriteResult } from "./node.ts";
import { type Node, startNode } from "./process.ts";
import { quiet } from "../noise.ts";

const PER_SECOND = 1_000;
const READ_GRACE_SECONDS = 20;
/** A run starts once others use less than this fraction of a core, or after QUIET_MS. */
const MAX_NOISE = 0.3;
const QUIET_MS = 20_000;

interface Run {
  readonly client: NodeTask["client"];
  readonly writers: number;
  /** Rate of all writers together; 0 for as fast as the log accepts messages. */
  readonly perSecond: number;
  readonly seconds: number;
}

if (import.meta.main) Deno.exit(await main(Deno.args));

async function main(args: readonly string[]): Promise<number> {
  const growth = args.find((arg) => arg.startsWith("--growth"))?.split("=")[1];
  const unknown = args.filter((arg) =>
    !["--short", "--cost"].includes(arg) && !/^--growth=[0-9.]+$/.test(arg)
  );
  if (unknown.length > 0) {
    print(`Unknown: ${unknown.join(" ")}. The flags are --short, --cost and --growth=<minutes>.`);
    return 2;
  }
  if (growth !== undefined) {
    return await measureGrowth(Number(growth), PER_SECOND, print) ? 0 : 1;
  }
  const seconds = args.includes("--short") ? 3 : 12;
  if (args.includes("--cost")) {
    await measureCost(seconds, print);
    return 0;
  }
  print(`hub: ${hubMicroseconds().toFixed(2)} µs a message that no client wants`);
  print(`\nPublished at one instance, received at another, ${PER_SECOND} msg/s:`);
  for (const client of ["telecast", "native", "telecast", "native"] as const) {
    const { read } = await run({ client, writers: 1, perSecond: PER_SECOND, seconds });
    print(`  ${client.padEnd(8)} p50 ${ms(read.p50)}, p99 ${ms(read.p99)}`);
  }
  print(`\nSeveral writers, ${PER_SECOND} msg/s together:`);
  for (const writers of [1, 2, 4]) {
    const { read, written } = await run({
      client: "telecast",
      writers,
      perSecond: PER_SECOND,
      seconds,
    });
    const commits = sum(written, ({ commits }) => commits);
    const conflicts = sum(written, ({ conflicts }) => conflicts);
    print(
      `  ${writers} writer(s): p50 ${ms(read.p50)}, p99 ${ms(read.p99)}; ` +
        `${conflicts} of ${commits} commits repeated`,
    );
  }
  print("\nThe highest rate that one instance can write and another can read:");
  for (const client of ["telecast", "native"] as const) {
    const { read } = await run({ client, writers: 1, perSecond: 0, seconds });
    print(`  ${client.padEnd(8)} ${Math.round(read.count / read.seconds)} msg/s`);
  }
  return 0;
}

/** Fails if a written message does not reach the reader. */
async function run({ client, writers, perSecond, seconds }: Run) {
  await quiet(MAX_NOISE, QUIET_MS);
  await using kv = await DenoKv.start();
  const common = {
    url: kv.url,
    accessToken: kv.accessToken,
    client,
    perSecond: perSecond / writers,
    seconds,
    retentionSeconds: 300,
  };
  await using reader = await startNode({
    ...common,
    role: "read",
    seconds: seconds + READ_GRACE_SECONDS,
  });
  await using stack = new AsyncDisposableStack();
  const nodes: Node[] = [];
  for (let i = 0; i < writers; i++) {
    nodes.push(stack.use(await startNode({ ...common, role: "write" })));
  }
  const written = await Promise.all(nodes.map((node) => node.result<WriteResult>()));
  const count = sum(written, ({ count }) => count);
  const read = await reader.result<ReadResult>();
  if (read.count !== count) throw new Error(`${read.count} of ${count} messages arrived`);
  return { read, written };
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((sum, item) => sum + of(item), 0);
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
}
