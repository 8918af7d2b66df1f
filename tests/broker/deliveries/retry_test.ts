/** How long retries take with the defaults, in virtual time. */

import assert from "node:assert/strict";
import { Circuit } from "../../../broker/deliveries/circuit.ts";
import { DeliveryError } from "../../../broker/deliveries/delivery.ts";
import { DeliveryQueue } from "../../../broker/deliveries/queue.ts";
import { deliveryKey } from "../../../broker/store/kv_keys.ts";
import { encodeJson } from "../../../broker/store/stored_json.ts";
import { MemoryKv } from "../../../broker/store/memory_kv.ts";
import { FakeClock } from "../../kit/fake_clock.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const START = 1_700_000_000_000;
const HOUR = 60 * MINUTE;

type Answer = "ok" | "502" | "500" | "refused" | "bug";

/** A queue with its defaults, and a service whose answers are scripted. */
class Scene implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly done: { readonly name: string; readonly at: number }[] = [];
  readonly faults: unknown[] = [];
  /** When jobs were given up. */
  readonly dead: number[] = [];
  answer: (name: string) => Answer = () => "ok";
  calls = 0;
  #offset = 0;
  readonly #kv = new MemoryKv();
  readonly #circuit = new Circuit({ restMs: 5 * SECOND, clock: this.clock });
  readonly queue = new DeliveryQueue(this.#kv, {
    instance: "one",
    clock: this.clock,
    handler: ({ id, data }) => Promise.resolve(this.#call(id, String(data))),
    onDead: () => this.dead.push(this.clock.now),
    onFault: (_info, error) => this.faults.push(error),
    // Only for lost notifications, and there are none here.
    pollMs: MINUTE,
  });

  constructor() {
    this.clock.now = START;
    this.queue.start();
  }

  async send(partition: string, ...names: readonly string[]): Promise<void> {
    for (const name of names) {
      const value = encodeJson({ kind: "test", time: this.clock.wall(), data: name });
      const key = deliveryKey(partition, ++this.#offset);
      await this.#kv.commit({ checks: [], sets: [{ key, value }] });
    }
    this.queue.notify();
  }

  /** Passes time until `check` holds; returns how long that took, in ms. */
  async until(check: () => boolean, limitMs: number): Promise<number> {
    const start = this.clock.now;
    while (!check()) {
      assert.ok(this.clock.now - start <= limitMs, `not within ${limitMs / SECOND} s`);
      await this.clock.pass(250);
    }
    return this.clock.now - start;
  }

  names(): string[] {
    return this.done.map(({ name }) => name);
  }

  #call(id: string, name: string): undefined {
    const call = this.#circuit.begin(id);
    if (!call) {
      const retryAfterMs = 5 * SECOND;
      throw new DeliveryError("away", { away: true, contact: "none", retryAfterMs });
    }
    this.calls++;
    const answer = this.answer(name);
    try {
      if (answer === "ok") {
        this.#circuit.passed(call);
        this.done.push({ name, at: this.clock.now });
        return undefined;
      }
      if (answer === "bug") throw new TypeError("a bug in the handler");
      const contact = answer === "refused" ? "none" : "answered";
      const error = new DeliveryError(answer, { away: answer !== "500", contact });
      const own = this.#circuit.failed(call, { reached: contact !== "none" });
      if (own) throw error.with({ own, away: false });
      throw this.#circuit.isOpen ? error.with({ away: true }) : error;
    } finally {
      this.#circuit.end(call);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.queue[Symbol.asyncDispose]();
    await this.clock.pass(10 * SECOND);
    await closed;
  }
}

const failing = (answer: Answer) => (name: string) => name.startsWith("poison") ? answer : "ok";

for (const answer of ["502", "500"] as const) {
  Deno.test(`with the defaults, a message that gets ${answer} while others pass is dead after two minutes; its partition continues after one`, async () => {
    await using scene = new Scene();
    scene.answer = failing(answer);
    await scene.send("cota", "poison", "after");
    let sent = 0;
    const traffic = async () => {
      for (; sent < 60; sent++) {
        await scene.send("funza", `other ${sent}`);
        await scene.clock.pass(5 * SECOND);
      }
    };
    await traffic();
    const after = scene.done.find(({ name }) => name === "after")!.at - START;
    assert.ok(after <= 75 * SECOND, `the partition continued after ${after / SECOND} s`);
    const given = scene.dead[0]! - START;
    assert.ok(given >= 90 * SECOND && given <= 180 * SECOND, `given up after ${given / SECOND} s`);
    const [dead] = await scene.queue.list("dead");
    assert.deepEqual([dead!.attempts, dead!.reason], [20, answer]);
    assert.equal(scene.names().length, 61, "nothing else was blocked");
  });

  Deno.test(`with the defaults, the only partition with work continues after a minute (${answer}), in order`, async () => {
    await using scene = new Scene();
    scene.answer = failing(answer);
    const others = Array.from({ length: 5 }, (_, n) => `${n}`);
    await scene.send("cota", "poison", ...others);
    const first = await scene.until(() => scene.done.length > 0, 2 * MINUTE);
    await scene.until(() => scene.done.length === others.length, 3 * MINUTE);
    assert.ok(first >= 45 * SECOND, `${first}`);
    assert.deepEqual(scene.names(), others);
  });
}

Deno.test("with the defaults, several failing messages at the start of the only partition block it for little longer", async () => {
  await using scene = new Scene();
  scene.answer = failing("502");
  await scene.send("cota", "poison 1", "poison 2", "poison 3", "1", "2", "3");
  await scene.until(() => scene.done.length === 3, 2 * MINUTE);
  assert.deepEqual(scene.names(), ["1", "2", "3"]);
});

Deno.test("with the defaults, a custom handler that throws on one message blocks its partition for a minute or two", async () => {
  await using scene = new Scene();
  scene.answer = failing("bug");
  await scene.send("cota", "poison", "1", "2");
  await scene.until(() => scene.done.length === 2, 3 * MINUTE);
  assert.ok(scene.faults.every((fault) => fault instanceof TypeError) && scene.faults.length > 5);
});

for (const answer of ["502", "500", "refused"] as const) {
  for (const partitions of [1, 2, 20]) {
    Deno.test(`with the defaults, an outage of two hours (${answer}, ${partitions} partitions) loses nothing, and all is delivered in order within seconds of its end`, async () => {
      await using scene = new Scene();
      scene.answer = () => answer;
      const names: string[] = [];
      for (let n = 0; n < 3; n++) {
        for (let partition = 0; partition < partitions; partition++) {
          names.push(`${partition}.${n}`);
          await scene.send(`partition ${partition}`, `${partition}.${n}`);
        }
      }
      for (let n = 0; n < 2 * 60; n++) await scene.clock.pass(MINUTE);
      const calls = scene.calls;
      assert.ok(calls < 2 * 3600, `${calls} calls`);
      for (const { attempts } of await scene.queue.list("waiting")) assert.ok(attempts <= 10);
      scene.answer = () => "ok";
      const took = await scene.until(() => scene.done.length === names.length, 20 * SECOND);
      assert.ok(took <= 20 * SECOND);
      assert.deepEqual(await scene.queue.list("dead"), []);
      for (let partition = 0; partition < partitions; partition++) {
        const mine = scene.names().filter((name) => name.startsWith(`${partition}.`));
        assert.deepEqual(mine, [0, 1, 2].map((n) => `${partition}.${n}`));
      }
    });
  }
}

Deno.test("with the defaults, a service that fails every other minute for an hour loses nothing", async () => {
  await using scene = new Scene();
  const start = scene.clock.now;
  scene.answer = () => Math.floor((scene.clock.now - start) / MINUTE) % 2 === 0 ? "502" : "ok";
  for (let n = 0; n < 360; n++) {
    await scene.send(`partition ${n % 3}`, `${n % 3}.${n}`);
    await scene.clock.pass(10 * SECOND);
  }
  await scene.until(() => scene.done.length === 360, 3 * MINUTE);
  assert.deepEqual(await scene.queue.list("dead"), []);
});

Deno.test("work for an unavailable service is given up after a day", async () => {
  await using scene = new Scene();
  scene.answer = () => "refused";
  await scene.send("cota", "late");
  for (let n = 0; n < 25; n++) await scene.clock.pass(HOUR);
  const [dead] = await scene.queue.list("dead");
  assert.equal(dead?.attempts, 0);
});
