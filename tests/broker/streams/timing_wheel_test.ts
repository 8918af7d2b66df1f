import assert from "node:assert/strict";
import { TimingWheel } from "../../../broker/streams/timing_wheel.ts";

function wheel(periodSeconds: number) {
  const visited: string[] = [];
  return {
    visited,
    wheel: new TimingWheel<string>(periodSeconds, (member) => visited.push(member)),
  };
}

Deno.test("TimingWheel visits each member once per period, first after a whole period", () => {
  const { visited, wheel: w } = wheel(3);
  w.add("a");
  w.turn();
  w.add("b");
  w.turn();
  assert.deepEqual(visited, []);
  w.turn();
  assert.deepEqual(visited.splice(0), ["a"]);
  w.turn();
  assert.deepEqual(visited.splice(0), ["b"]);
  for (let i = 0; i < 6; i++) w.turn();
  assert.deepEqual(visited, ["a", "b", "a", "b"]);
});

Deno.test("TimingWheel with a period of one second visits at every turn", () => {
  const { visited, wheel: w } = wheel(1);
  w.add("a");
  w.turn();
  w.turn();
  assert.deepEqual(visited, ["a", "a"]);
});

Deno.test("TimingWheel: members may be added and deleted during a visit", () => {
  const visited: string[] = [];
  const w: TimingWheel<string> = new TimingWheel<string>(2, (member) => {
    visited.push(member);
    w.delete(member);
    if (member === "a") w.delete("b");
    if (member === "c") w.add("d");
  });
  for (const member of ["a", "b", "c"]) w.add(member);
  w.turn();
  w.turn();
  assert.deepEqual(visited.splice(0), ["a", "c"]);
  w.turn();
  assert.deepEqual(visited, []);
  w.turn();
  assert.deepEqual(visited, ["d"]);
  w.delete("never there");
});

Deno.test("TimingWheel: a member that is added during a visit waits a whole period too", () => {
  const visited: string[] = [];
  const w: TimingWheel<string> = new TimingWheel<string>(2, (member) => {
    visited.push(member);
    if (member === "a") w.add("new");
  });
  for (const member of ["a", "b"]) w.add(member);
  for (let i = 0; i < 3; i++) w.turn();
  assert.deepEqual(visited.splice(0), ["a", "b"]);
  w.turn();
  assert.deepEqual(visited, ["a", "b", "new"]);
});

Deno.test("TimingWheel: a visit that throws does not prevent the others", () => {
  const visited: string[] = [];
  const w = new TimingWheel<string>(1, (member) => {
    if (member === "broken") throw new TypeError("failed on purpose");
    visited.push(member);
  });
  for (const member of ["a", "broken", "b"]) w.add(member);
  w.turn();
  assert.deepEqual(visited, ["a", "b"]);
});

Deno.test("TimingWheel visits many members of one second in steps, but none that was deleted meanwhile", async () => {
  const visited: number[] = [];
  const goOn: (() => void)[] = [];
  const w = new TimingWheel<number>(
    1,
    (member) => visited.push(member),
    () => new Promise((resolve) => goOn.push(resolve)),
  );
  for (let member = 0; member < 1000; member++) w.add(member);
  w.turn();
  for (let step = 1; step <= 9; step++) {
    assert.equal(visited.length, step * 100);
    if (step === 5) w.delete(999);
    goOn.pop()!();
    await Promise.resolve();
    await Promise.resolve();
  }
  assert.deepEqual([visited.length, goOn.length], [999, 0]);
  assert.equal(visited.includes(999), false);
});

Deno.test("TimingWheel: a long period costs nothing, and deleted members leave nothing behind", () => {
  const { visited, wheel: w } = wheel(31_536_000);
  const before = Deno.memoryUsage();
  for (let i = 0; i < 200_000; i++) {
    w.add(`${i}`);
    w.turn();
    w.delete(`${i}`);
  }
  const after = Deno.memoryUsage();
  assert.deepEqual(visited, []);
  // A slot that is not deleted takes 200 bytes, 40 MB in total; garbage strings take a few MB.
  const grown = after.heapUsed - before.heapUsed + after.external - before.external;
  assert.ok(grown < 25_000_000, `${grown} bytes`);
});
