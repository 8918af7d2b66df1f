import assert from "node:assert/strict";
import { excessOf } from "../../../routes/http/json_size.ts";

Deno.test("excessOf() names the limit that JSON exceeds, and ignores what stands in strings", () => {
  const members = (count: number) =>
    JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, n])));
  assert.equal(excessOf(members(2_000)), undefined);
  assert.equal(excessOf(members(2_001)), "more than 2000 members");
  assert.equal(excessOf("[".repeat(1_000) + "]".repeat(1_000)), undefined);
  assert.equal(excessOf("[".repeat(1_001) + "]".repeat(1_001)), "more than 1000 levels");
  assert.equal(excessOf(`[${"[],".repeat(9_998)}[]]`), undefined);
  assert.equal(excessOf(`[${"[],".repeat(10_000)}[]]`), "more than 10000 objects and lists");
  const inString = { a: `:[{\\"${":{[".repeat(50_000)}`, b: '"' };
  assert.equal(excessOf(JSON.stringify(inString)), undefined);
  for (const broken of ["", '"', '"\\', "]]]]", "[".repeat(10), ":::"]) {
    assert.equal(excessOf(broken), undefined);
  }
});
