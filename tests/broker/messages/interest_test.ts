import assert from "node:assert/strict";
import { Interest, InterestError } from "../../../broker/messages/interest.ts";

const wants = (...lists: string[]) => Interest.parse(lists, 1000);

Deno.test("Interest.parse() accepts lists with commas, spaces and repeats", () => {
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
  assert.deepEqual(all.items, ["a", "*", "b*"], "items stay as the client asked for them");
});

Deno.test("Interest: a star inside an id is an ordinary character", () => {
  const interest = wants("a*b");
  assert(interest.matches("a*b") && !interest.matches("axb"));
});

Deno.test("Interest: an empty interest matches nothing", () => {
  const interest = wants("", " , ");
  assert(interest.empty && !interest.matches("") && !interest.matches("a"));
});

Deno.test("Interest.parse() rejects more ids than allowed, counting each once", () => {
  assert.equal(Interest.parse(["a,b,a", "b"], 2).items.length, 2);
  assert.throws(
    () => Interest.parse(["a,b", "c"], 2),
    (error) => error instanceof InterestError && error.code === "too_many_device_ids",
  );
});

Deno.test("Interest.parse() counts characters of an id, not code units", () => {
  assert.equal(wants("x".repeat(128)).ids.size, 1);
  assert.equal(wants("😀".repeat(128)).ids.size, 1);
  for (const id of ["x".repeat(129), "😀".repeat(129), `${"x".repeat(128)}*`]) {
    assert.throws(
      () => wants(id),
      (error) => error instanceof InterestError && error.code === "device_id_too_long",
    );
  }
});

Deno.test("Interest.parse() makes ids well-formed, like those of messages", () => {
  assert(wants("a\ud800").matches("a\ufffd"));
});

Deno.test("Interest.with() and without() return new interests", () => {
  const one = wants("a,b*");
  const more = one.with(wants("c,a"), 10);
  assert.deepEqual([one.items, more.items], [["a", "b*"], ["a", "b*", "c"]]);
  assert.throws(() => one.with(wants("c,d"), 3), InterestError);
  const less = more.without(wants("b*,x"));
  assert.deepEqual(less.items, ["a", "c"]);
  assert(!less.matches("b1"));
  assert(more.without(more).empty);
  assert(wants("a,a*").without(wants("a*")).matches("a"), "the id is no longer covered");
});

Deno.test("Interest.list() takes each entry as one id or prefix, including its commas", () => {
  const listed = Interest.list(["a,b", " c ", "x,*", "", "a,b"], 3);
  assert.deepEqual(listed.items, ["a,b", "c", "x,*"]);
  const matched = ["a,b", "a", "b", "c", "x", "x,", "x,1", "y"].filter((id) => listed.matches(id));
  assert.deepEqual(matched, ["a,b", "c", "x,", "x,1"]);
  assert.throws(() => Interest.list(["a", "b", "c,d"], 2), InterestError);
});

Deno.test("Interest.exactly() takes ids literally, and keeps them so", () => {
  const exact = Interest.exactly(["*", "x*", " a,b "], 10);
  assert.deepEqual(exact.items, ["*", "x*", " a,b "]);
  assert(!exact.all && exact.prefixes.length === 0);
  for (const interest of [exact, exact.with(wants("y,z*"), 10), wants("y,z*").with(exact, 10)]) {
    const matched = ["*", "x*", " a,b ", "x", "xy", "a,b", "a"].filter((id) =>
      interest.matches(id)
    );
    assert.deepEqual(matched, ["*", "x*", " a,b "]);
  }
  assert.throws(
    () => Interest.exactly(["a", ""], 10),
    (error) => error instanceof InterestError && error.code === "bad_device_id",
  );
});

Deno.test("Interest.with(): an id of one and a prefix of the other with the same text become a prefix", () => {
  const [exact, prefix] = [Interest.exactly(["x*", "*"], 10), wants("x*")];
  for (const both of [exact.with(prefix, 10), prefix.with(exact, 10)]) {
    assert.deepEqual(both.items.toSorted(), ["*", "x*"]);
    assert(both.matches("xy") && both.matches("*") && !both.matches("y"));
    assert.deepEqual(both.without(wants("x*")).items, ["*"]);
    assert(!both.without(wants("x*")).all, "* is still an id");
  }
  assert(exact.with(Interest.EVERYTHING, 10).all);
});

Deno.test("Interest.itemBeyond() returns what the other interest does not cover", () => {
  const grant = wants("A,p*,longer*");
  const beyond = (interest: Interest) => interest.itemBeyond(grant);
  for (const item of ["A", "p", "p*", "pp*", "longer1", "*"]) {
    assert.equal(beyond(wants(item)), undefined, item);
  }
  for (const item of ["B", "A*", "long*", "a", "AB", "**"]) {
    assert.equal(beyond(wants(`A,${item}`)), item);
  }
  assert.equal(beyond(Interest.exactly(["*"], 1)), "*", "an id with this text");
  assert.equal(beyond(Interest.exactly(["p*", "p"], 2)), undefined, "ids that the prefix covers");
  assert.equal(wants("B,A*,*").itemBeyond(Interest.EVERYTHING), undefined);
});

Deno.test("Interest: a search in sorted prefixes finds the same as a check of each prefix", () => {
  let state = 2718;
  const below = (limit: number) => (state = (state * 48_271) % 2_147_483_647) % limit;
  const LETTERS = ["a", "b", ",", "*", "\uffff", "\u{1f600}", "\u0000", "Z"];
  const text = () => Array.from({ length: below(5) }, () => LETTERS[below(8)]).join("");
  for (let i = 0; i < 3_000; i++) {
    const prefixes = Array.from({ length: 1 + below(8) }, text);
    const interest = Interest.list(prefixes.map((prefix) => `${prefix}*`), 100);
    const asked = `${text()}${text()}`;
    const starts = prefixes.some((prefix) => asked.startsWith(prefix.toWellFormed()));
    assert.equal(interest.matches(asked), starts, JSON.stringify([prefixes, asked]));
    const item = `${asked}*`;
    const covered = Interest.list([item], 1).itemBeyond(interest) === undefined;
    if (asked !== "") assert.equal(covered, starts, JSON.stringify([prefixes, item]));
  }
});
