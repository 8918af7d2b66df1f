import assert from "node:assert/strict";
import { BoundedLines } from "../../../ingest/runtime/bounded_lines.ts";
import { VirtualTime } from "../../server/virtual_time.ts";

Deno.test("BoundedLines lets some lines through and reports how many were left out", async () => {
  using time = new VirtualTime();
  const lines: string[] = [];
  const log = new BoundedLines((text) => lines.push(text), { intervalMs: 50, maxLines: 2 });
  for (let i = 0; i < 1000; i++) log.line(i % 2 === 0 ? "even" : "odd", () => `line ${i}`);
  assert.deepEqual(lines.splice(0), ["line 0", "line 1"]);
  log.flush();
  assert.deepEqual(lines, []);
  await time.pass(50);
  log.flush();
  assert.deepEqual(lines.splice(0), ["even: 499 more like it", "odd: 499 more like it"]);
  log.line("even", () => "again");
  assert.deepEqual(lines, ["again"]);
});

Deno.test("BoundedLines keeps a limited number of keys", async () => {
  using time = new VirtualTime();
  const lines: string[] = [];
  const log = new BoundedLines((text) => lines.push(text), { intervalMs: 50, maxLines: 0 });
  for (let i = 0; i < 10_000; i++) log.line(`key ${i}`, () => "line");
  await time.pass(50);
  log.flush();
  assert.equal(lines.length, 100);
});
