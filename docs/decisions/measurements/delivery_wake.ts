/**
 * How long a job waits between its commit and its handler: woken by the instance that stored it, or
 * by Deno KV's own queue. One process, a SQLite file, 50 jobs a second in 4 lanes.
 *
 *     deno run -A docs/decisions/measurements/delivery_wake.ts
 */

// deno-lint-ignore-file no-console -- prints its figures

import { DenoKv } from "../../../broker/store/deno_kv.ts";
import { DeliveryQueue } from "../../../broker/deliveries/queue.ts";
import { deliveryKey } from "../../../broker/store/kv_keys.ts";
import { encodeJson } from "../../../broker/store/stored_json.ts";

const JOBS = 500;
const EVERY_MS = 20;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Delays of jobs that are stored by `store` and end up in `arrived`. */
async function measured(
  name: string,
  run: (arrived: (n: number) => void) => Promise<{
    store(n: number): Promise<unknown>;
    close(): Promise<void>;
  }>,
): Promise<void> {
  const stored = new Map<number, number>();
  const delays: number[] = [];
  const all = Promise.withResolvers<void>();
  const { store, close } = await run((n) => {
    delays.push(performance.now() - stored.get(n)!);
    if (delays.length === JOBS) all.resolve();
  });
  for (let n = 0; n < JOBS; n++) {
    stored.set(n, performance.now());
    await store(n);
    await sleep(EVERY_MS);
  }
  await all.promise;
  await close();
  delays.sort((a, b) => a - b);
  const at = (part: number) => delays[Math.floor(delays.length * part)]!.toFixed(1);
  console.log(`${name}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
}

const folder = await Deno.makeTempDir();

function queueRun(wake: (kv: Deno.Kv, queue: DeliveryQueue) => Promise<unknown> | void) {
  return async (arrived: (n: number) => void) => {
    const raw = await Deno.openKv(`${folder}/${crypto.randomUUID()}.sqlite`);
    const kv = new DenoKv(() => Promise.resolve(raw), { limitMs: 5_000 });
    const queue = new DeliveryQueue(kv, {
      instance: "one",
      handler: ({ data }) => {
        arrived(data as number);
        return Promise.resolve(undefined);
      },
    });
    queue.start();
    const listening = raw.listenQueue(() => queue.notify());
    return {
      async store(n: number) {
        const value = encodeJson({ kind: "x", data: n, time: Date.now() });
        await kv.commit({ checks: [], sets: [{ key: deliveryKey(`lane ${n % 4}`, n), value }] });
        await wake(raw, queue);
      },
      async close() {
        await queue[Symbol.asyncDispose]();
        raw.close();
        await listening;
      },
    };
  };
}

await measured("rung by whoever stored it", queueRun((_, queue) => queue.notify()));
await measured("rung by enqueue()", queueRun((kv) => kv.enqueue(0)));
await measured("nobody rings, looked for once a second", queueRun(() => {}));
await Deno.remove(folder, { recursive: true });
