import assert from "node:assert/strict";
import type { KvClient } from "../../../broker/store/kv_client.ts";
import { Lease } from "../../../broker/log/lease.ts";
import { MemoryKv } from "../../../broker/store/memory_kv.ts";
import { FakeClock } from "../../kit/fake_clock.ts";

const LEASE_MS = 3_000;
const BEAT_MS = 500;

/** An instance's own access to the store: its calls wait while it is stalled. */
class Way extends MemoryKv {
  stalled: Promise<void> | undefined;

  constructor(private readonly store: MemoryKv) {
    super();
  }

  override async get(...args: Parameters<KvClient["get"]>) {
    await this.stalled;
    return await this.store.get(...args);
  }

  override async commit(...args: Parameters<KvClient["commit"]>) {
    await this.stalled;
    return await this.store.commit(...args);
  }
}

function instance(name: string, store: MemoryKv, clock: FakeClock) {
  const kv = new Way(store);
  const events: string[] = [];
  const alone = { is: false };
  const lease = new Lease(kv, {
    instance: name,
    clock,
    leaseMs: LEASE_MS,
    beatMs: BEAT_MS,
    fence: async ({ check, set }) => (await kv.commit({ checks: [check], sets: [set] })).ok,
    onAcquired: () => events.push(`acquired at ${clock.now}`),
    onLost: () => events.push(`lost at ${clock.now}`),
    onFailure: () => events.push(`failed at ${clock.now}`),
    isAlone: () => alone.is,
  });
  const moves = () => events.filter((event) => !event.startsWith("failed"));
  return { kv, lease, events, moves, alone };
}

Deno.test("Lease: one instance holds it, and keeps it as long as it lives", async () => {
  const [store, clock] = [new MemoryKv(), new FakeClock()];
  const [one, two] = [instance("one", store, clock), instance("two", store, clock)];
  one.lease.start();
  await clock.pass(10);
  two.lease.start();
  await clock.pass(60_000);
  assert.deepEqual([one.events, two.events], [["acquired at 0"], []]);
  assert.deepEqual([one.lease.held, two.lease.held], [true, false]);
  assert.equal(two.lease.owner, "one");
  await Promise.all([two.lease[Symbol.asyncDispose](), one.lease[Symbol.asyncDispose]()]);
});

Deno.test("Lease: another instance takes it as soon as the owner has been silent for the lease time", async () => {
  const [store, clock, stopped] = [new MemoryKv(), new FakeClock(), new FakeClock()];
  const [one, two] = [instance("one", store, stopped), instance("two", store, clock)];
  one.lease.start();
  await stopped.pass(1_200);
  two.lease.start();
  // From here on, the clock of the first stands still, like that of a killed process.
  await clock.pass(LEASE_MS + 1);
  assert.deepEqual(two.events, [`acquired at ${LEASE_MS}`]);
  assert.equal(two.lease.owner, "two");

  // It wakes much later: first, it checks the lease.
  assert.equal(one.lease.held, true);
  await stopped.pass(BEAT_MS);
  assert.deepEqual(one.events, ["acquired at 0", "lost at 1500"]);
  await clock.pass(60_000);
  assert.equal(two.lease.held, true);
  await Promise.all([two.lease[Symbol.asyncDispose](), one.lease[Symbol.asyncDispose]()]);
});

Deno.test("Lease.prove() tells an owner that was asleep that another instance has the lease", async () => {
  const [store, clock, stopped] = [new MemoryKv(), new FakeClock(), new FakeClock()];
  const [one, two] = [instance("one", store, stopped), instance("two", store, clock)];
  one.lease.start();
  await stopped.pass(100);
  assert.equal(await one.lease.prove(), true);
  two.lease.start();
  await clock.pass(LEASE_MS + BEAT_MS);
  assert.equal(await one.lease.prove(), false);
  assert.deepEqual(one.events, ["acquired at 0", "lost at 100"]);
  await Promise.all([two.lease[Symbol.asyncDispose](), one.lease[Symbol.asyncDispose]()]);
});

Deno.test("Lease: once it is released, another instance takes it at the next check", async () => {
  const [store, clock] = [new MemoryKv(), new FakeClock()];
  const [one, two] = [instance("one", store, clock), instance("two", store, clock)];
  one.lease.start();
  await clock.pass(10);
  two.lease.start();
  await clock.pass(5_000);
  await one.lease[Symbol.asyncDispose]();
  await clock.pass(BEAT_MS);
  assert.equal(two.lease.held, true);
  await two.lease[Symbol.asyncDispose]();
});

Deno.test("Lease: an owner whose store does not answer loses it before another instance takes it", async () => {
  const [store, clock] = [new MemoryKv(), new FakeClock()];
  const [one, two] = [instance("one", store, clock), instance("two", store, clock)];
  one.lease.start();
  await clock.pass(10);
  two.lease.start();
  await clock.pass(5_240);
  const stall = Promise.withResolvers<void>();
  one.kv.stalled = stall.promise;
  await clock.pass(4_000);
  const [, lost] = one.events;
  assert.equal(lost, `lost at ${5_000 + LEASE_MS}`);
  assert.deepEqual(two.events, [`acquired at ${5_010 + LEASE_MS}`]);
  stall.resolve();
  one.kv.stalled = undefined;
  await clock.pass(10_000);
  assert.deepEqual([one.events.length, two.events.length], [2, 1]);
  await Promise.all([two.lease[Symbol.asyncDispose](), one.lease[Symbol.asyncDispose]()]);
});

Deno.test("Lease: no instance counts the owner as silent while the store is unavailable", async () => {
  const [store, clock] = [new MemoryKv(), new FakeClock()];
  const [one, two] = [instance("one", store, clock), instance("two", store, clock)];
  one.lease.start();
  await clock.pass(10);
  two.lease.start();
  await clock.pass(5_000);
  for (const { kv } of [one, two]) {
    kv.stalled = Promise.reject(new Error("away"));
    kv.stalled.catch(() => {});
  }
  await clock.pass(60_000);
  assert.deepEqual([one.lease.held, two.lease.held], [false, false]);
  for (const { kv } of [one, two]) kv.stalled = undefined;
  await clock.pass(1_000);
  // No instance took it meanwhile: the former owner has it again.
  assert.deepEqual([one.lease.held, two.lease.held], [true, false]);
  await Promise.all([two.lease[Symbol.asyncDispose](), one.lease[Symbol.asyncDispose]()]);
});

Deno.test("Lease: while the log continues in memory, it is held without the store, and proven again afterwards", async () => {
  const [store, clock] = [new MemoryKv(), new FakeClock()];
  const one = instance("one", store, clock);
  one.lease.start();
  await clock.pass(1_000);
  one.kv.stalled = Promise.reject(new Error("database or disk is full"));
  one.kv.stalled.catch(() => {});
  await clock.pass(2_000);
  assert.equal(one.events.at(-1)?.slice(0, 6), "failed", "the failure is reported");
  one.alone.is = true;
  await clock.pass(60_000);
  assert.deepEqual([one.lease.held, one.moves()], [true, ["acquired at 0"]]);
  one.alone.is = false;
  one.kv.stalled = undefined;
  await clock.pass(10_000);
  assert.deepEqual([one.lease.held, one.moves()], [true, ["acquired at 0"]]);
  // Another instance has taken it meanwhile, in the store: the next beat detects that.
  one.alone.is = true;
  await clock.pass(1_000);
  const value = new TextEncoder().encode(JSON.stringify({ owner: "two", fence: 9 }));
  await store.commit({ checks: [], sets: [{ key: ["lease", "ingest"], value }] });
  one.alone.is = false;
  await clock.pass(BEAT_MS);
  assert.deepEqual([one.lease.held, one.moves().length], [false, 2]);
  await one.lease[Symbol.asyncDispose]();
});
