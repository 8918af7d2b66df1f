/** What the delivery queue must do on every store. */

import assert from "node:assert/strict";
import {
  DeliveryError,
  type DeliveryHandler,
  type DeliveryInfo,
} from "../../broker/deliveries/delivery.ts";
import { DeliveryQueue, type DeliveryQueueOptions } from "../../broker/deliveries/queue.ts";
import type { KvClient } from "../../broker/store/kv_client.ts";
import { deliveryKey } from "../../broker/store/kv_keys.ts";
import { encodeJson } from "../../broker/store/stored_json.ts";
import { eventually } from "../kit/eventually.ts";

export interface DeliveryKit extends AsyncDisposable {
  /** A client of the same store as the others of this kit. */
  client(): KvClient;
}

let offset = 0;

async function put(kv: KvClient, partition: string, data: unknown): Promise<void> {
  const value = encodeJson({ kind: "test", data, time: Date.now() });
  await kv.commit({ checks: [], sets: [{ key: deliveryKey(partition, ++offset), value }] });
}

function open(kv: KvClient, handler: DeliveryHandler, options?: Partial<DeliveryQueueOptions>) {
  const queue = new DeliveryQueue(kv, {
    instance: crypto.randomUUID(),
    handler,
    pollMs: 20,
    claimMs: 300,
    retry: { baseMs: 10, maxMs: 40 },
    maxAttempts: 4,
    ...options,
  });
  queue.start();
  return queue;
}

export function deliverySuite(name: string, kit: () => Promise<DeliveryKit>): void {
  Deno.test(`${name}: jobs of a partition run in order, partitions in parallel`, async () => {
    await using world = await kit();
    const kv = world.client();
    const done: string[] = [];
    const running = new Set<string>();
    let parallel = 0;
    for (let n = 0; n < 10; n++) {
      for (const partition of ["cota", "funza"]) await put(kv, partition, n);
    }
    await using queue = open(kv, async ({ partition, data }) => {
      assert.ok(!running.has(partition), "two jobs of one partition at a time");
      running.add(partition);
      parallel = Math.max(parallel, running.size);
      await new Promise((resolve) => setTimeout(resolve, 1));
      running.delete(partition);
      done.push(`${partition} ${data}`);
      return undefined;
    });
    await eventually("all are done", () => done.length === 20);
    for (const partition of ["cota", "funza"]) {
      const mine = done.filter((text) => text.startsWith(partition));
      assert.deepEqual(mine, Array.from({ length: 10 }, (_, n) => `${partition} ${n}`));
    }
    assert.equal(parallel, 2);
    await eventually("nothing is left", async () => (await queue.list("waiting")).length === 0);
  });

  Deno.test(`${name}: a job that fails is retried before the next job of its partition`, async () => {
    await using world = await kit();
    const kv = world.client();
    const tries: string[] = [];
    await put(kv, "a", "first");
    await put(kv, "a", "second");
    await using _queue = open(kv, ({ data, attempts }) => {
      tries.push(`${data} ${attempts}`);
      if (data === "first" && attempts < 2) throw new DeliveryError("not now");
      return Promise.resolve(undefined);
    });
    await eventually("both are done", () => tries.length === 4);
    assert.deepEqual(tries, ["first 0", "first 1", "first 2", "second 0"]);
  });

  Deno.test(`${name}: a job that cannot be done becomes a dead letter with its reason, and can be retried`, async () => {
    await using world = await kit();
    const kv = world.client();
    let broken = true;
    const done: unknown[] = [];
    const told: DeliveryInfo[] = [];
    await put(kv, "calle 1/ñ", "never");
    await put(kv, "b", "refused");
    await put(kv, "b", "fine");
    await using queue = open(kv, ({ data }) => {
      if (broken && data === "never") throw new Error("no answer");
      if (broken && data === "refused") throw new DeliveryError("400", { permanent: true });
      done.push(data);
      return Promise.resolve(undefined);
    }, { onDead: (info) => told.push(info) });
    const dead = await eventually("two are dead", async () => {
      const list = await queue.list("dead");
      return list.length === 2 && list;
    });
    assert.deepEqual(
      dead.map(({ attempts, reason, state }) => `${attempts} ${reason} ${state}`).sort(),
      ["1 400 dead", "4 no answer dead"],
    );
    await eventually("both are reported", () => told.length === 2);
    const byId = (a: DeliveryInfo, b: DeliveryInfo) => a.id.localeCompare(b.id);
    assert.deepEqual(told.sort(byId), dead.toSorted(byId));
    assert.deepEqual(done, ["fine"]);
    broken = false;
    for (const { id } of dead) assert.ok(await queue.retry(id));
    await eventually("they are done", () => done.length === 3);
    assert.deepEqual(await queue.list("dead"), []);
    assert.equal(await queue.retry(dead[0]!.id), false);
    assert.equal(await queue.retry("nonsense"), false);
  });

  Deno.test(`${name}: a job with several steps continues with the step that failed`, async () => {
    await using world = await kit();
    const kv = world.client();
    const steps: string[] = [];
    await put(kv, "a", 0);
    await using _queue = open(kv, ({ kind, data, attempts, id }) => {
      steps.push(`${kind} ${data} ${attempts}`);
      assert.match(id, /^[0-9a-z]+\./);
      if (kind === "test") return Promise.resolve({ kind: "send", data: 1 });
      if (attempts === 0) throw new Error("later");
      return Promise.resolve(undefined);
    });
    await eventually("it is done", () => steps.length === 3);
    assert.deepEqual(steps, ["test 0 0", "send 1 0", "send 1 1"]);
  });

  Deno.test(`${name}: two instances run each job once`, async () => {
    await using world = await kit();
    const counts = new Map<string, number>();
    const handler: DeliveryHandler = ({ id }) => {
      counts.set(id, (counts.get(id) ?? 0) + 1);
      return Promise.resolve(undefined);
    };
    const kv = world.client();
    await using _one = open(kv, handler);
    await using _two = open(world.client(), handler);
    for (let n = 0; n < 60; n++) await put(kv, `partition ${n % 6}`, n);
    await eventually("all are done", () => counts.size === 60, { timeoutMs: 20_000 });
    assert.deepEqual([...new Set(counts.values())], [1]);
  });

  Deno.test(`${name}: a queue that is closed finishes its running job and starts no other`, async () => {
    await using world = await kit();
    const kv = world.client();
    for (const n of [1, 2]) await put(kv, "a", n);
    const started = Promise.withResolvers<void>();
    const end = Promise.withResolvers<void>();
    const done: unknown[] = [];
    const queue = open(kv, async ({ data }, signal) => {
      started.resolve();
      await end.promise;
      assert.ok(!signal.aborted);
      done.push(data);
      return undefined;
    }, { graceMs: 30_000 });
    await started.promise;
    const closed = queue[Symbol.asyncDispose]();
    end.resolve();
    await closed;
    assert.equal(done.join(), "1");
    // At once: the claim is released.
    await using _other = open(kv, ({ data }) => {
      done.push(data);
      return Promise.resolve(undefined);
    }, { claimMs: 60_000 });
    await eventually("the second is done, and the first is not repeated", () => done.length === 2);
    assert.equal(done.join(), "1,2");
  });

  Deno.test(`${name}: a job that does not end is aborted, and waits for another instance`, async () => {
    await using world = await kit();
    const kv = world.client();
    await put(kv, "a", 1);
    const started = Promise.withResolvers<void>();
    const queue = open(kv, (_, signal) => {
      started.resolve();
      return new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(new Error("cut off")));
      });
    }, { graceMs: 20 });
    await started.promise;
    await queue[Symbol.asyncDispose]();
    const [job] = await queue.list("waiting");
    assert.equal(job?.attempts, 0, "it does not count as an attempt");
  });

  Deno.test(`${name}: another instance takes over if one falls silent in the middle of a job`, async () => {
    await using world = await kit();
    const kv = world.client();
    await put(kv, "a", 1);
    const hung = Promise.withResolvers<undefined>();
    const started = Promise.withResolvers<void>();
    const silent = world.client();
    let mute = false;
    // It still works on its job, but its commits no longer reach the store.
    const muted: KvClient = {
      get: (key) => silent.get(key),
      list: (range, options) => silent.list(range, options),
      watch: (keys, signal) => silent.watch(keys, signal),
      close: () => {},
      commit: (commit) => mute ? Promise.reject(new Error("cut off")) : silent.commit(commit),
    };
    await using _one = open(muted, () => {
      started.resolve();
      return hung.promise;
    });
    await started.promise;
    mute = true;
    const done = Promise.withResolvers<void>();
    await using _two = open(kv, () => {
      done.resolve();
      return Promise.resolve(undefined);
    });
    await done.promise;
    hung.resolve(undefined);
  });

  Deno.test(`${name}: a delivery counts as dead or lost once that is stored, and only once`, async () => {
    for (const lands of [false, true]) {
      for (const maxDead of [10, 0]) {
        await using world = await kit();
        const kv = world.client();
        await put(kv, "a", 1);
        const told: boolean[] = [];
        let burials = 0;
        const queue: { now?: DeliveryQueue } = {};
        const counts = () => {
          const { totals: { dead, lost }, deadDepth } = queue.now!;
          return [dead, lost, deadDepth, told.length];
        };
        const before: number[][] = [];
        // The commit of each dead letter fails twice: before it is stored, or after, with its
        // answer lost.
        const unsteady: KvClient = {
          get: (key) => kv.get(key),
          list: (range, options) => kv.list(range, options),
          watch: (keys, signal) => kv.watch(keys, signal),
          close: () => {},
          commit: async (commit) => {
            const isBurial = commit.deletes?.some(([prefix]) => prefix === "delivery");
            if (!isBurial || ++burials > 2) return await kv.commit(commit);
            before.push(counts());
            if (lands) await kv.commit(commit);
            throw new Error("no answer");
          },
        };
        await using opened = queue.now = open(unsteady, () => {
          throw new DeliveryError("refused", { permanent: true });
        }, { maxDead, onDead: (_info, kept) => told.push(kept) });
        await eventually("it is reported", () => told.length > 0);
        assert.ok(before.every((figures) => figures.every((figure) => figure === 0)), `${before}`);
        const kept = maxDead > 0;
        assert.deepEqual([told, opened.totals.dead, opened.totals.lost], [[kept], 1, kept ? 0 : 1]);
        assert.equal((await opened.list("dead")).length, kept ? 1 : 0);
      }
    }
  });

  Deno.test(`${name}: partitions may have any name`, async () => {
    await using world = await kit();
    const kv = world.client();
    const partitions = ["constructor", "__proto__", "toString", "a/b", "ñ\n", "\u{1f6a8}"];
    for (const partition of partitions) await put(kv, partition, partition);
    await using queue = open(kv, ({ partition, data }) => {
      assert.equal(partition, data);
      throw new DeliveryError("refused", { permanent: true });
    });
    const dead = await eventually("all are dead", async () => {
      const list = await queue.list("dead");
      return list.length === partitions.length && list;
    });
    for (const { id } of dead) assert.ok(await queue.retry(id));
  });
}
