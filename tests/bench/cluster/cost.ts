/** The cost of a message for each part of a cluster, as instances, devices and the rate grow. */

import { DenoKv } from "../../kit/servers/denokv.ts";
import type { ReadResult, WriteResult } from "./node.ts";
import { startNode } from "./process.ts";
import { processTicks, quiet } from "../noise.ts";

const READ_GRACE_SECONDS = 90;
const MAX_NOISE = 0.3;
const QUIET_MS = 20_000;

interface Cost {
  readonly instances: number;
  readonly perSecond: number;
  readonly devices: number;
}

const RUNS: readonly Cost[] = [
  { instances: 1, perSecond: 1_000, devices: 500 },
  { instances: 2, perSecond: 1_000, devices: 500 },
  { instances: 4, perSecond: 1_000, devices: 500 },
  { instances: 2, perSecond: 1_000, devices: 100_000 },
  { instances: 2, perSecond: 10_000, devices: 500 },
  { instances: 4, perSecond: 10_000, devices: 500 },
  { instances: 2, perSecond: 10_000, devices: 100_000 },
];

/** Prints CPU time per second of the run, for the writer, each reader, and denokv. */
export async function measureCost(seconds: number, print: (text: string) => void): Promise<void> {
  print("One instance ingests messages, all follow the log; CPU ms a second:");
  print(
    "  instances  msg/s  devices  commits/s  writer  each reader  denokv  p50 ms  KB a message",
  );
  for (const cost of RUNS) {
    const { writer, readers, kvSeconds, bytes } = await run(cost, seconds);
    const each = readers.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0) / readers.length;
    const cells = [
      [cost.instances, 11],
      [cost.perSecond, 7],
      [cost.devices, 9],
      [(writer.commits / seconds).toFixed(0), 11],
      [ms(writer.cpuSeconds / seconds), 8],
      [readers.length ? ms(each / seconds) : "-", 13],
      [ms(kvSeconds / seconds), 8],
      [readers[0]?.p50.toFixed(1) ?? "-", 8],
      [(bytes / writer.count / 1000).toFixed(2), 14],
    ] as const;
    print(cells.map(([cell, width]) => String(cell).padStart(width)).join(""));
  }
}

async function run({ instances, perSecond, devices }: Cost, seconds: number) {
  await quiet(MAX_NOISE, QUIET_MS);
  await using kv = await DenoKv.start();
  await using stack = new AsyncDisposableStack();
  const common = {
    url: kv.url,
    accessToken: kv.accessToken,
    client: "telecast",
    perSecond,
    devices,
    retentionSeconds: 300,
  } as const;
  const readers = [];
  for (let i = 1; i < instances; i++) {
    const task = { ...common, role: "read", seconds: seconds + READ_GRACE_SECONDS } as const;
    readers.push(stack.use(await startNode(task)));
  }
  const before = await processTicks(kv.process.pid);
  const node = stack.use(await startNode({ ...common, role: "write", seconds }));
  const writer = await node.result<WriteResult>();
  const kvSeconds = (await processTicks(kv.process.pid) - before) / 100;
  const results: ReadResult[] = [];
  for (const reader of readers) results.push(await reader.result<ReadResult>());
  const missed = results.find(({ count }) => count !== writer.count);
  if (missed) throw new Error(`${missed.count} of ${writer.count} messages arrived`);
  return { writer, readers: results, kvSeconds, bytes: await kv.databaseBytes() };
}

function ms(coreSeconds: number): string {
  return (coreSeconds * 1000).toFixed(0);
}
