/**
 * One instance on the shared log, in its own process: it writes to the log, or reads what others
 * write. Its task is one JSON argument; it answers with lines of JSON.
 */

import process from "node:process";
import { DenoKv } from "../../../broker/store/deno_kv.ts";
import { KvFanout } from "../../../broker/log/kv_fanout.ts";
import type { Entry, Publication } from "../../../broker/messages/message.ts";
import { openRemoteKv } from "../../../broker/store/remote_kv.ts";

export interface NodeTask {
  readonly url: string;
  readonly accessToken: string;
  /** Telecast's client for the store, or Deno's built-in one. */
  readonly client: "telecast" | "native";
  readonly role: "write" | "read";
  /** Messages a second; 0 for as fast as the log accepts them. */
  readonly perSecond: number;
  /** How long a writer writes; how long a reader waits at most. */
  readonly seconds: number;
  readonly retentionSeconds: number;
  /** Number of devices that messages are published for, in turn. */
  readonly devices?: number;
}

export interface ReadResult {
  readonly count: number;
  /** From the first publish() in another process to the last message in this one. */
  readonly seconds: number;
  /** Milliseconds from publish() in one process to the listener in this one. */
  readonly p50: number;
  readonly p99: number;
  readonly cpuSeconds: number;
}

export interface WriteResult {
  readonly count: number;
  readonly commits: number;
  readonly conflicts: number;
  readonly cpuSeconds: number;
}

const DEVICES = 500;
const PAYLOAD_CHARS = 300;
/** Up to BATCHES batches are in flight, like a source's credits. */
const BATCH = 500;
const BATCHES = 8;
/** The first fraction of a run is not measured: the process is still cold. */
const WARM_UP = 0.2;
/** After this long without a message, a reader has seen everything. */
const QUIET_MS = 3_000;

async function main(task: NodeTask): Promise<void> {
  // The built-in client reads its token from the environment.
  Deno.env.set("DENO_KV_ACCESS_TOKEN", task.accessToken);
  const kv = new DenoKv(
    () =>
      task.client === "native" ? Deno.openKv(task.url) : openRemoteKv(task.url, task.accessToken),
    { limitMs: 10_000 },
  );
  const fanout = new KvFanout(kv, {
    retentionMs: task.retentionSeconds * 1000,
    recentMaxBytes: 64 * 1_048_576,
  });
  const reader = new Reader();
  await fanout.start({ onPublications: (batch) => reader.take(batch), onReset: () => {} });
  tell({ ready: true });
  if (task.role === "read") tell(await reader.result(task.seconds));
  else tell(await write(fanout, task));
  await fanout[Symbol.asyncDispose]();
  kv.close();
}

async function write(
  fanout: KvFanout,
  { perSecond, seconds, devices = DEVICES }: NodeTask,
): Promise<WriteResult> {
  const cpu = cpuSeconds();
  const entry = (n: number) => entryOf(n, devices);
  const end = performance.now() + seconds * 1000;
  let count = 0;
  if (perSecond === 0) {
    // Each batch is published when an older one is stored, as with a source's credits.
    const partition = async () => {
      while (performance.now() < end) {
        await fanout.publish(Array.from({ length: BATCH }, () => entry(count++)));
      }
    };
    await Promise.all(Array.from({ length: BATCHES }, partition));
  } else {
    const start = performance.now();
    const stored: Promise<void>[] = [];
    while (performance.now() < end) {
      const due = Math.floor((performance.now() - start) / 1000 * perSecond);
      if (due > count) {
        stored.push(fanout.publish(Array.from({ length: due - count }, () => entry(count++))));
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await Promise.all(stored);
  }
  const { commits, conflicts } = fanout;
  return { count, commits, conflicts, cpuSeconds: cpuSeconds() - cpu };
}

const AT = '{"at":';

function entryOf(n: number, devices: number): Entry {
  const deviceId = `bus-${n % devices}`;
  const head = `${AT}${now().toFixed(3)},"DEVICE_ID":"${deviceId}","raw":"`;
  return { deviceId, payload: head + "A".repeat(PAYLOAD_CHARS - head.length - 2) + '"}' };
}

/** Collects the latencies of arriving messages. */
class Reader {
  readonly #cpu = cpuSeconds();
  #first = Infinity;
  #last = 0;
  readonly #ages: number[] = [];

  take(batch: readonly Publication[]): void {
    const arrived = now();
    this.#last = arrived;
    for (const { payload } of batch) {
      const at = Number(payload.slice(AT.length, payload.indexOf(",")));
      this.#first = Math.min(this.#first, at);
      this.#ages.push(arrived - at);
    }
  }

  /** Resolves when no more messages arrive, or after `maxSeconds`. */
  async result(maxSeconds: number): Promise<ReadResult> {
    const end = now() + maxSeconds * 1000;
    while (now() < end && (this.#ages.length === 0 || now() - this.#last < QUIET_MS)) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const ages = this.#ages.slice(Math.floor(this.#ages.length * WARM_UP)).sort((a, b) => a - b);
    const at = (part: number) => ages[Math.floor(ages.length * part)] ?? NaN;
    return {
      count: this.#ages.length,
      seconds: (this.#last - this.#first) / 1000,
      p50: at(0.5),
      p99: at(0.99),
      cpuSeconds: cpuSeconds() - this.#cpu,
    };
  }
}

/** Milliseconds, the same in every process of this machine. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

/** CPU time of this process with all its threads. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function tell(line: unknown): void {
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(line) + "\n"));
}

if (import.meta.main) await main(JSON.parse(Deno.args[0]!));
