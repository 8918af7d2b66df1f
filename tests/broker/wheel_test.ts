import assert from "node:assert/strict";
import { Wheel } from "../../broker/wheel.ts";

function wheel(periodSeconds: number) {
  const visited: string[] = [];
  return { visited, wheel: new Wheel<string>(periodSeconds, (member) => visited.push(member)) };
}

Deno.test("Wheel: each member once a period, from a whole one after it came", () => {
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

Deno.test("Wheel: a period of one second visits at every turn", () => {
  const { visited, wheel: w } = wheel(1);
  w.add("a");
  w.turn();
  w.turn();
  assert.deepEqual(visited, ["a", "a"]);
});

Deno.test("Wheel: members may leave and come while they are visited", () => {
  const visited: string[] = [];
  const w: Wheel<string> = new Wheel<string>(2, (member) => {
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

Deno.test("Wheel: a year between two turns costs no memory", () => {
  const before = Deno.memoryUsage().heapUsed;
  const { visited, wheel: w } = wheel(31_536_000);
  w.add("a");
  for (let i = 0; i < 100; i++) w.turn();
  assert.deepEqual(visited, []);
  assert.ok(Deno.memoryUsage().heapUsed - before < 50_000_000);
});
