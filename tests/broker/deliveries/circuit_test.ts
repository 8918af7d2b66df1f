import assert from "node:assert/strict";
import { Circuit } from "../../../broker/deliveries/circuit.ts";
import { FakeClock } from "../../kit/fake_clock.ts";

const REST_MS = 5_000;

/** Calls to a service, each for a named message. */
class Scene {
  readonly clock = new FakeClock();
  readonly said: boolean[] = [];
  readonly circuit = new Circuit({
    restMs: REST_MS,
    clock: this.clock,
    onAway: (away) => this.said.push(away),
  });

  passes(key?: string): boolean {
    const call = this.circuit.begin(key);
    if (!call) return false;
    this.circuit.passed(call);
    this.circuit.end(call);
    return true;
  }

  /** `left alone` if it is not called; otherwise whose failure it is. */
  fails(key?: string, reached = true): "left alone" | "its own" | "the service's" {
    const call = this.circuit.begin(key);
    if (!call) return "left alone";
    const own = this.circuit.failed(call, { reached });
    this.circuit.end(call);
    return own ? "its own" : "the service's";
  }
}

Deno.test("Circuit: a single message never opens it, however often it fails", () => {
  const scene = new Scene();
  for (let n = 0; n < 1_000; n++) assert.equal(scene.fails("a"), "the service's");
  assert.deepEqual(scene.said, []);
  assert.ok(scene.passes("b"));
});

Deno.test("Circuit: a message that fails before and after another one passes is at fault, and stays so", () => {
  const scene = new Scene();
  assert.equal(scene.fails("a"), "the service's");
  scene.passes("b");
  for (let n = 0; n < 20; n++) assert.equal(scene.fails("a"), "its own");
  scene.passes("a");
  assert.equal(scene.fails("a"), "the service's", "it passed, so its past failures do not count");
});

Deno.test("Circuit: one message that passes shows that two that always fail are at fault themselves", () => {
  const scene = new Scene();
  scene.fails("a");
  scene.fails("b");
  scene.passes("c");
  for (let n = 0; n < 20; n++) {
    for (const key of ["a", "b"]) assert.equal(scene.fails(key), "its own");
  }
  assert.deepEqual(scene.said, []);
});

Deno.test("Circuit: if everything fails, no message is at fault, and it opens", () => {
  const scene = new Scene();
  for (const key of ["a", "b", "c", "a", "b"]) assert.equal(scene.fails(key), "the service's");
  assert.deepEqual(scene.said, [true]);
  assert.equal(scene.fails("a"), "left alone");
});

Deno.test("Circuit: after an outage with a gap in it, only one attempt counts", () => {
  const scene = new Scene();
  for (const key of ["a", "b", "c", "d"]) scene.fails(key);
  scene.passes("a");
  for (const key of ["b", "c", "d"]) assert.equal(scene.fails(key), "its own");
  for (let n = 0; n < 20; n++) {
    for (const key of ["b", "c", "d"]) assert.equal(scene.fails(key), "the service's");
  }
  assert.ok(["the service's", "left alone"].includes(scene.fails("e")));
});

Deno.test("Circuit: a new message that fails suggests an outage, so known failures do not count", () => {
  const scene = new Scene();
  scene.fails("a");
  scene.passes("b");
  assert.equal(scene.fails("a"), "its own");
  assert.equal(scene.fails("c"), "the service's");
  assert.equal(scene.fails("a"), "the service's");
});

Deno.test("Circuit: refused connections open it for any message, and are no message's fault", () => {
  const scene = new Scene();
  scene.fails("a");
  scene.passes("b");
  for (let n = 0; n < 5; n++) assert.equal(scene.fails("a", false), "the service's");
  assert.deepEqual(scene.said, [true]);
});

Deno.test("Circuit: while it is open, one call per pause probes, a new message sooner, and a success closes it", async () => {
  const scene = new Scene();
  for (const key of ["a", "b", "c", "a", "b"]) scene.fails(key);
  assert.equal(scene.fails("d"), "the service's", "it is new");
  assert.equal(scene.fails("e"), "left alone", "one at a time");
  assert.equal(scene.fails("d"), "left alone", "it failed");
  await scene.clock.pass(REST_MS / 5);
  assert.equal(scene.fails("e"), "the service's");
  assert.equal(scene.fails("a"), "left alone");
  await scene.clock.pass(REST_MS);
  assert.equal(scene.fails("a"), "the service's");
  assert.equal(scene.fails("b"), "left alone");
  await scene.clock.pass(REST_MS);
  assert.ok(scene.passes("b"));
  assert.ok(scene.passes("c"));
  assert.deepEqual(scene.said, [true, false]);
});

Deno.test("Circuit: a probe makes the other calls wait until it has ended", async () => {
  const { circuit, clock, ...scene } = new Scene();
  const fails = Scene.prototype.fails.bind({ circuit } as Scene);
  for (const key of ["a", "b", "c", "a", "b"]) fails(key);
  await clock.pass(REST_MS);
  const probe = circuit.begin("a")!;
  await clock.pass(10 * REST_MS);
  assert.equal(circuit.begin("b"), undefined);
  circuit.end(probe);
  assert.ok(circuit.begin("b"));
  assert.deepEqual(scene.said, [true]);
});

Deno.test("Circuit: messages that always fail, in any number, do not block others", async () => {
  const scene = new Scene();
  const poison = Array.from({ length: 50 }, (_, n) => `poison ${n}`);
  for (let n = 0; n < 20; n++) {
    for (const key of poison) scene.fails(key);
    await scene.clock.pass(REST_MS / 5);
    assert.ok(scene.passes(`good ${n}`));
  }
  const before = scene.said.length;
  for (let n = 0; n < 20; n++) {
    for (const key of poison) assert.equal(scene.fails(key), "its own");
    assert.ok(scene.passes(`at once ${n}`));
  }
  assert.equal(scene.said.length, before, "once they are known, it stays closed");
});

Deno.test("Circuit: a refusal shows that the service is available, and does not affect other messages", () => {
  const scene = new Scene();
  for (const key of ["a", "b", "c", "a"]) scene.fails(key);
  const refused = scene.circuit.begin("d")!;
  scene.circuit.answered();
  scene.circuit.end(refused);
  assert.equal(scene.fails("a"), "the service's");
  assert.deepEqual(scene.said, []);
});

Deno.test("Circuit: queries belong to no message: they open it, and do not affect messages", () => {
  const scene = new Scene();
  for (let n = 0; n < 5; n++) scene.fails();
  assert.deepEqual(scene.said, [true]);
  const other = new Scene();
  other.fails("a");
  other.passes();
  assert.equal(other.fails("a"), "the service's");
});
