import assert from "node:assert/strict";
import { Checker } from "./checker.ts";

/** Publishes #1 to #5 of A and B, then reports `seen` for one client. */
function check(seen: readonly [device: string, seq: number][], devices: string[] | "*" = ["A"]) {
  const checker = new Checker();
  for (const device of ["A", "B"]) {
    for (let seq = 1; seq <= 5; seq++) checker.published(device, seq);
  }
  const client = checker.client("client", { devices });
  for (const [device, seq] of seen) client.saw(device, seq);
  const { lost, repeated, reordered, foreign, examples } = checker.report();
  return { faults: { lost, repeated, reordered, foreign }, examples, checker };
}

const all = (device: string) => [1, 2, 3, 4, 5].map((seq): [string, number] => [device, seq]);
const none = { lost: 0, repeated: 0, reordered: 0, foreign: 0 };

Deno.test("Checker finds nothing in a stream without faults", () => {
  const { faults, checker } = check(all("A"));
  assert.deepEqual(faults, none);
  assert.ok(checker.complete());
  checker.assertFlawless();
});

Deno.test("Checker accepts messages of different devices in any order", () => {
  const mixed: [string, number][] = [];
  for (let seq = 1; seq <= 5; seq++) mixed.unshift(["B", 6 - seq]);
  assert.deepEqual(check([...mixed, ...all("A")], "*").faults, none);
});

Deno.test("Checker counts lost messages at the start, in between and at the end", () => {
  const { faults, examples, checker } = check([["A", 2], ["A", 4]]);
  assert.deepEqual(faults, { ...none, lost: 3 });
  assert.deepEqual(examples, [
    "client lost A #1 of 5",
    "client lost A #3 of 5",
    "client lost A #5 of 5",
  ]);
  assert.ok(!checker.complete());
  assert.throws(() => checker.assertFlawless(), /lost 3, repeated 0, reordered 0, foreign 0/);
});

Deno.test("Checker counts everything as lost for a client that saw nothing", () => {
  assert.deepEqual(check([]).faults, { ...none, lost: 5 });
  assert.deepEqual(check([], "*").faults, { ...none, lost: 10 });
});

Deno.test("Checker counts a repeat, right after its original or later", () => {
  const { faults } = check([["A", 1], ["A", 1], ...all("A").slice(1), ["A", 3]]);
  assert.deepEqual(faults, { ...none, repeated: 2 });
});

Deno.test("Checker counts two swapped messages as one reordered", () => {
  const { faults } = check([["A", 1], ["A", 3], ["A", 2], ["A", 4], ["A", 5]]);
  assert.deepEqual(faults, { ...none, reordered: 1 });
});

Deno.test("Checker does not count a late repeat as reordered", () => {
  const { faults } = check([...all("A"), ["A", 2]]);
  assert.deepEqual(faults, { ...none, repeated: 1 });
});

Deno.test("Checker counts other devices and messages never published as foreign", () => {
  const { faults } = check([...all("A"), ["B", 1], ["A", 6], ["A", 0], ["C", 1]]);
  assert.deepEqual(faults, { ...none, foreign: 4 });
});

Deno.test("Checker does not require messages from before a client, but allows their replay", () => {
  const checker = new Checker();
  checker.next("A");
  checker.next("A");
  const client = checker.client("late", { devices: ["A"], after: checker.position() });
  assert.ok(checker.complete());
  assert.equal(checker.next("A"), 3);
  assert.ok(!checker.complete());
  client.saw("A", 3);
  checker.assertFlawless();
  client.saw("A", 2);
  assert.equal(checker.report().reordered, 1);
});

Deno.test("Checker refuses a publisher that skips a number", () => {
  assert.throws(() => new Checker().published("A", 2), /the last one was #0/);
});

Deno.test("Checker counts random faults exactly", () => {
  const checker = new Checker();
  const client = checker.client("client", { devices: ["A"] });
  const expected = { lost: 0, repeated: 0, foreign: 0 };
  for (let i = 0; i < 10_000; i++) {
    const seq = checker.next("A");
    const fate = Math.random();
    if (fate < 0.01) {
      expected.lost++;
      continue;
    }
    client.saw("A", seq);
    if (fate < 0.02) {
      client.saw("A", seq);
      expected.repeated++;
    } else if (fate < 0.03) {
      client.saw("B", seq);
      expected.foreign++;
    }
  }
  const { lost, repeated, foreign, reordered, seen } = checker.report();
  assert.deepEqual({ lost, repeated, foreign }, expected);
  assert.equal(reordered, 0);
  assert.equal(seen, 10_000 - expected.lost + expected.repeated + expected.foreign);
});
