/** Messages and their jobs, especially while nothing runs the jobs. */

import assert from "node:assert/strict";
import { Companies } from "../../../broker/cluster/companies.ts";
import { DeliveryError } from "../../../broker/deliveries/delivery.ts";
import { Inbox } from "../../../broker/deliveries/inbox.ts";
import { DeliveryQueue, type DeliveryQueueOptions } from "../../../broker/deliveries/queue.ts";
import { MemoryFanout } from "../../../broker/log/memory_fanout.ts";
import { MemoryKv } from "../../../broker/store/memory_kv.ts";
import type { Entry } from "../../../broker/messages/message.ts";
import { botoneraJob } from "../../../ingest/messages/botonera/job.ts";
import { EntryStore } from "../../../ingest/runtime/entry_store.ts";
import { FakeClock } from "../../kit/fake_clock.ts";
import { eventually } from "../../kit/eventually.ts";

const HOUR_MS = 3_600_000;

function alarm(company: string, n: number, time = 0): Entry {
  const payload = JSON.stringify({ tipo_mensaje: "semaforos", tipo_alarma: n, empresa: company });
  const message = { deviceId: company, payload };
  const job = botoneraJob(message, { type: "semaforos", company, notifies: true });
  return { ...message, job: { ...job, body: job.body.replace(/"time":\d+/, `"time":${time}`) } };
}

/** The store with everything it needs, and a backend that is away until a test changes that. */
async function world(queue: Partial<DeliveryQueueOptions> = {}) {
  const clock = new FakeClock();
  const kv = new MemoryKv();
  const fanout = new MemoryFanout({ retentionMs: HOUR_MS, recentMaxBytes: 64e6, work: kv, clock });
  let streamed = 0;
  await fanout.start({ onPublications: (batch) => streamed += batch.length, onReset: () => {} });
  const backend = { away: true, tried: 0, partitions: new Set<string>(), done: [] as string[] };
  const deliveries = new DeliveryQueue(kv, {
    instance: "one",
    clock,
    handler: ({ partition, data }) => {
      backend.tried++;
      backend.partitions.add(partition);
      if (backend.away) throw new DeliveryError("away", { away: true, retryAfterMs: 5_000 });
      const { message } = data as { message: { tipo_alarma: number } };
      backend.done.push(`${partition} ${message.tipo_alarma}`);
      return Promise.resolve(undefined);
    },
    ...queue,
  });
  const inbox = new Inbox(kv, { clock, onQueued: () => deliveries.notify() });
  const companies = new Companies(kv, clock);
  const store = new EntryStore({ fanout, companies, delivers: true, deliveries, inbox });
  deliveries.start();
  return {
    ...{ clock, backend, deliveries, companies, store },
    streamed: () => streamed,
    async [Symbol.asyncDispose]() {
      store.close();
      await inbox[Symbol.asyncDispose]();
      await deliveries[Symbol.asyncDispose]();
      await fanout[Symbol.asyncDispose]();
    },
  };
}

Deno.test("an hour without a backend: streams continue, bounded jobs run later", async () => {
  await using rig = await world({ maxWaiting: 2_000 });
  const { clock, store, deliveries, backend } = rig;
  clock.now = 1_700_000_000_000;
  // One alarm per second from each of four companies.
  for (let n = 0; n < 3_600; n++) {
    for (const company of ["cota", "funza", "madrid", "tocancipa"]) {
      await store.publish([alarm(company, n, clock.now)], false);
    }
    await clock.pass(1_000);
  }
  assert.equal(rig.streamed(), 14_400, "every message streams");
  assert.equal(deliveries.totals.refused, 14_400 - 2_000);
  assert.equal(deliveries.depth, 2_000);
  assert.ok(Math.abs(deliveries.oldestMs - HOUR_MS) < 120_000, `${deliveries.oldestMs} ms`);
  assert.ok(backend.tried <= 4 * HOUR_MS / 5_000 + 4, `${backend.tried} tries`);
  assert.deepEqual([deliveries.totals.dead, deliveries.totals.done], [0, 0], "no try is counted");
  backend.away = false;
  for (let i = 0; i < 60 && backend.done.length < 2_000; i++) await clock.pass(5_000);
  for (const company of ["cota", "funza", "madrid", "tocancipa"]) {
    const mine = backend.done.filter((text) => text.startsWith(`${company} `));
    assert.deepEqual(mine, Array.from({ length: 500 }, (_, n) => `${company} ${n}`));
  }
  await clock.pass(20_000);
  assert.equal(deliveries.depth, 0);
  assert.equal(deliveries.oldestMs, 0);
  await store.publish([alarm("cota", 1)], false);
  assert.equal(deliveries.totals.refused, 12_400, "there is room again");
});

Deno.test("a job becomes a dead letter after a day without its service; retry works", async () => {
  await using rig = await world();
  const { clock, store, deliveries, backend } = rig;
  clock.now = 1_700_000_000_000;
  await store.publish([alarm("cota", 1, clock.now)], false);
  await clock.pass(24 * HOUR_MS - 60_000);
  assert.deepEqual(await deliveries.list("dead"), []);
  await clock.pass(120_000);
  const [dead] = await deliveries.list("dead");
  assert.deepEqual([dead?.reason, dead?.attempts], ["away", 0]);
  assert.ok(await deliveries.retry(dead!.id));
  await clock.pass(60_000);
  assert.deepEqual(await deliveries.list("dead"), [], "its day starts over");
  backend.away = false;
  await clock.pass(6_000);
  assert.deepEqual(backend.done, ["cota 1"]);
});

Deno.test("a failing job is a dead letter after 20 tries, 1 s to 5 min apart", async () => {
  const tries: number[] = [];
  await using rig = await world({
    handler: () => {
      tries.push(rig.clock.now);
      return Promise.reject(new DeliveryError("the backend answered 500"));
    },
  });
  const { clock, store, deliveries } = rig;
  await store.publish([alarm("cota", 1)], false);
  for (let i = 0; i < 100; i++) await clock.pass(60_000);
  const pauses = tries.slice(1).map((at, n) => at - tries[n]!);
  assert.equal(pauses.length, 19);
  pauses.forEach((pause, n) => {
    const ceiling = 1_000 * Math.min(300, 2 ** n);
    assert.ok(pause >= ceiling / 2 && pause <= ceiling, `pause ${n} was ${pause} ms`);
  });
  const [dead] = await deliveries.list("dead");
  assert.deepEqual([dead?.attempts, dead?.reason], [20, "the backend answered 500"]);
  assert.equal(deliveries.totals.retried, 19);
});

Deno.test("a retry time that the other side names is respected", async () => {
  const tries: number[] = [];
  await using rig = await world({
    handler: () => {
      tries.push(rig.clock.now);
      if (tries.length > 1) return Promise.resolve(undefined);
      return Promise.reject(new DeliveryError("429", { retryAfterMs: 42_000 }));
    },
  });
  await rig.store.publish([alarm("cota", 1)], false);
  await rig.clock.pass(60_000);
  assert.deepEqual(tries.map((at) => at - tries[0]!), [0, 42_000]);
});

Deno.test("partitions that wait for their next try do not block others", async () => {
  await using rig = await world();
  const { clock, store, backend, companies } = rig;
  clock.now = 1_700_000_000_000;
  for (let n = 0; n < 100; n++) {
    const name = `empresa ${n}`;
    await companies.add({ id: name, name });
    await store.publish([alarm(name, 1, clock.now)], false);
  }
  for (let i = 0; i < 4; i++) await clock.pass(1_000);
  assert.equal(backend.partitions.size, 100, "all were tried before the first was tried again");
});

Deno.test("dead letters beyond the limit are dropped and counted", async () => {
  await using rig = await world({
    maxDead: 3,
    handler: () => Promise.reject(new DeliveryError("400", { permanent: true })),
  });
  const { clock, store, deliveries } = rig;
  for (let n = 0; n < 5; n++) await store.publish([alarm("cota", n)], false);
  await clock.pass(5_000);
  assert.deepEqual([deliveries.totals.dead, deliveries.totals.lost], [5, 2]);
  assert.equal((await deliveries.list("dead")).length, 3);
  assert.equal((await deliveries.list("waiting")).length, 0);
});

Deno.test("a message from a person waits, unacked, while too many jobs wait", async () => {
  await using rig = await world({ maxWaiting: 1 });
  const { clock, store, deliveries, backend } = rig;
  await store.publish([alarm("cota", 1)], false);
  let stored = false;
  const message = { id: "m1", sender: "57300", body: '{"tipo_alarma":"hola"}' };
  const storing = store.publish([{ deviceId: "", payload: "", inbound: message }], false)
    .then(() => stored = true);
  await clock.pass(10_000);
  assert.ok(!stored);
  assert.equal(rig.streamed(), 1);
  backend.away = false;
  await clock.pass(10_000);
  await eventually("it is stored", () => stored);
  await storing;
  await clock.pass(5_000);
  assert.equal(backend.done.length, 2);
  assert.equal(deliveries.depth, 0);
});

Deno.test("a message of an unknown company is refused, counted and listed", async () => {
  await using rig = await world();
  const { store, companies } = rig;
  await store.publish([alarm("bogota", 1), alarm("cota", 1), alarm("bogota", 2)], false);
  assert.deepEqual([companies.refusedCount, [...companies.refused]], [2, [["bogota", 2]]]);
  assert.equal(rig.streamed(), 1);
  await companies.add({ id: "bogota", name: "Bogotá" });
  await store.publish([alarm("bogota", 3)], false);
  assert.equal(rig.streamed(), 2);
});
