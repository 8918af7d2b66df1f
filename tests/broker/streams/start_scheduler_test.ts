import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { StartScheduler } from "../../../broker/streams/start_scheduler.ts";
import { VirtualTimers } from "../../property/virtual_timers.ts";
import { Scheduler } from "../simulation/scheduler.ts";

/** Clients whose work takes `workMs` each, in virtual time; `done` lists those that are through. */
class Crowd implements Disposable {
  readonly scheduler = new Scheduler();
  readonly #timers = new VirtualTimers(this.scheduler);
  readonly startScheduler = new StartScheduler();
  readonly done: number[] = [];

  constructor(private readonly workMs: number) {}

  /** Passes and does its work, like a caller that is some async functions away. */
  async arrive(who: number): Promise<void> {
    await this.#pass();
    this.scheduler.now += this.workMs;
    this.done.push(who);
  }

  /** How many went through in each turn of the event loop, until all are through. */
  async turns(count: number): Promise<number[]> {
    const seen: number[] = [];
    const look = () => {
      seen.push(this.done.length);
      if (this.done.length < count) setTimeout(look);
    };
    setTimeout(look);
    for (let who = 0; who < count; who++) this.arrive(who);
    await promises();
    assert.ok(await this.scheduler.run(() => seen.at(-1) === count, 1_000_000));
    return seen.map((at, i) => at - (seen[i - 1] ?? 0));
  }

  async #pass(): Promise<void> {
    await this.startScheduler.pass();
  }

  [Symbol.dispose](): void {
    this.startScheduler[Symbol.dispose]();
    this.#timers[Symbol.dispose]();
  }
}

/** Lets every promise continue that can, without a turn of the timers. */
const promises = () => new Promise((resolve) => setImmediate(resolve));

Deno.test("StartScheduler: a client passes at once if there is time, the next one after its work", async () => {
  using crowd = new Crowd(1);
  assert.equal(crowd.startScheduler.pass(), undefined);
  crowd.arrive(1);
  assert.deepEqual([crowd.startScheduler.waiting, crowd.done], [1, []]);
  await promises();
  assert.deepEqual([crowd.startScheduler.waiting, crowd.done], [0, [1]]);
  assert.equal(crowd.startScheduler.pass(), undefined);
  await promises();
  crowd.scheduler.now += 4;
  assert.notEqual(crowd.startScheduler.pass(), undefined, "the time of this turn is over");
});

Deno.test("StartScheduler: many clients pass in order, with 2 ms of work in each turn", async () => {
  using crowd = new Crowd(1);
  const turns = await crowd.turns(1_000);
  assert.deepEqual(crowd.done, Array.from({ length: 1_000 }, (_, who) => who));
  assert.equal(Math.max(...turns), 2);
  // No turn is left out either.
  assert.deepEqual(new Set(turns.slice(1, -1)), new Set([2]));
});

Deno.test("StartScheduler: clients whose work takes longer than a turn pass one by one", async () => {
  using crowd = new Crowd(10);
  assert.deepEqual(new Set(await crowd.turns(20)), new Set([1]));
});

Deno.test("StartScheduler: eight clients whose work comes later pass in a turn", async () => {
  using crowd = new Crowd(0);
  const turns = await crowd.turns(100);
  assert.equal(Math.max(...turns), 8);
  assert.deepEqual(crowd.done, Array.from({ length: 100 }, (_, who) => who));
});

Deno.test("StartScheduler: a client that passes again waits behind those that wait already", async () => {
  using crowd = new Crowd(1);
  const order: string[] = [];
  const steps = async (who: string) => {
    for (let step = 0; step < 3; step++) {
      await crowd.startScheduler.pass();
      crowd.scheduler.now += 1;
      order.push(who);
    }
  };
  const all = Promise.all([steps("a"), steps("b"), steps("c")]);
  await promises();
  await crowd.scheduler.run(() => order.length === 9, 1000);
  await all;
  assert.equal(order.join(""), "abcabcabc");
});

Deno.test("StartScheduler: after it is disposed, nobody waits", async () => {
  using crowd = new Crowd(1);
  for (let who = 0; who < 2_000; who++) crowd.arrive(who);
  await promises();
  assert.ok(crowd.startScheduler.waiting > 0);
  crowd.startScheduler[Symbol.dispose]();
  await promises();
  assert.deepEqual([crowd.done.length, crowd.startScheduler.waiting], [2_000, 0]);
  crowd.scheduler.now += 1_000;
  crowd.arrive(2_000);
  await promises();
  assert.equal(crowd.done.at(-1), 2_000);
});

Deno.test("StartScheduler: nothing runs while there are no clients", async () => {
  using crowd = new Crowd(1);
  await crowd.turns(10);
  await crowd.scheduler.run(() => false, 100);
  const { steps } = crowd.scheduler;
  await crowd.scheduler.run(() => false, 60_000);
  assert.equal(crowd.scheduler.steps, steps);
});
