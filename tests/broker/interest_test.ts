import assert from "node:assert/strict";
import { Interest, InterestError } from "../../broker/interest.ts";

const wants = (...lists: string[]) => Interest.parse(lists, 1000);

Deno.test("Interest.parse() takes lists with commas, spaces and repeats", () => {
  const interest = wants(" a, b ,,a", "c", "");
  assert.deepEqual(interest.items, ["a", "b", "c"]);
  assert.deepEqual(["a", "b", "c", "d", "", " a"].filter((id) => interest.matches(id)), [
    "a",
    "b",
    "c",
  ]);
});

Deno.test("Interest: a prefix covers ids and longer prefixes, and * covers everything", () => {
  const prefixed = wants("08*", "0848*", "0848", "9");
  assert.deepEqual(prefixed.prefixes, ["08"]);
  assert.deepEqual([...prefixed.ids], ["9"]);
  assert(prefixed.matches("08") && prefixed.matches("0847") && !prefixed.matches("0"));
  const all = wants("a", "*", "b*");
  assert(all.all && all.matches("anything") && all.prefixes.length === 0 && all.ids.size === 0);
  assert.deepEqual(all.items, ["a", "*", "b*"], "what was asked for stays known");
});

Deno.test("Interest: a star inside an id is a character like others", () => {
  const interest = wants("a*b");
  assert(interest.matches("a*b") && !interest.matches("axb"));
});

Deno.test("Interest: nothing asked for matches nothing", () => {
  const interest = wants("", " , ");
  assert(interest.empty && !interest.matches("") && !interest.matches("a"));
});

Deno.test("Interest.parse() refuses more ids than allowed, counting each once", () => {
  assert.equal(Interest.parse(["a,b,a", "b"], 2).items.length, 2);
  assert.throws(
    () => Interest.parse(["a,b", "c"], 2),
    (error) => error instanceof InterestError && error.code === "too_many_device_ids",
  );
});

Deno.test("Interest.parse() counts characters of an id, not units", () => {
  assert.equal(wants("x".repeat(128)).ids.size, 1);
  assert.equal(wants("😀".repeat(128)).ids.size, 1);
  for (const id of ["x".repeat(129), "😀".repeat(129), `${"x".repeat(128)}*`]) {
    assert.throws(
      () => wants(id),
      (error) => error instanceof InterestError && error.code === "device_id_too_long",
    );
  }
});

Deno.test("Interest.parse() makes ids well-formed, as those of messages are", () => {
  assert(wants("a\ud800").matches("a\ufffd"));
});

Deno.test("Interest.with() and without() give new interests", () => {
  const one = wants("a,b*");
  const more = one.with(wants("c,a"), 10);
  assert.deepEqual([one.items, more.items], [["a", "b*"], ["a", "b*", "c"]]);
  assert.throws(() => one.with(wants("c,d"), 3), InterestError);
  const less = more.without(wants("b*,x"));
  assert.deepEqual(less.items, ["a", "c"]);
  assert(!less.matches("b1"));
  assert(more.without(more).empty);
  assert(wants("a,a*").without(wants("a*")).matches("a"), "an id is covered no more");
});
