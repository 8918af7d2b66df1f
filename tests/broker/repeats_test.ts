import assert from "node:assert/strict";
import { fingerprint, fingerprintOf } from "../../broker/fingerprint.ts";
import { Repeats } from "../../broker/repeats.ts";
import { publication } from "./publications.ts";

const message = (deviceId: string, payload: string) => ({ deviceId, payload, uuid: "u" });
/** As if their fingerprints were equal by chance. */
const alike = (offset: number, payload: string) =>
  Object.assign(publication(offset, "a", { payload, hasUuid: true }), { print: 1 });
const find = (repeats: Repeats, payload: string) =>
  repeats.find({ ...message("a", payload), print: 1 })?.offset;

Deno.test("Repeats.find() tells messages apart whose fingerprints are equal", () => {
  const repeats = new Repeats();
  const added = ["x", "y", "z"].map((payload, i) => alike(i + 1, payload));
  for (const one of added) repeats.add(one);
  assert.deepEqual(["x", "y", "z", "q"].map((p) => find(repeats, p)), [1, 2, 3, undefined]);
  repeats.delete(added[0]!);
  assert.deepEqual(["x", "y", "z"].map((p) => find(repeats, p)), [undefined, 2, 3]);
  repeats.delete(added[1]!);
  repeats.delete(added[2]!);
  assert.deepEqual(["x", "y", "z"].map((p) => find(repeats, p)), [undefined, undefined, undefined]);
});

Deno.test("Repeats.find() takes a fingerprint for a sign of a uuid, and needs one of the two", () => {
  const repeats = new Repeats();
  repeats.add(publication(1, "a", { payload: "x", hasUuid: true }));
  repeats.add(publication(2, "a", { payload: "y" }));
  const find = (more: { uuid?: string; print?: number }) =>
    repeats.find({ deviceId: "a", payload: "x", ...more })?.offset;
  assert.deepEqual([find({ uuid: "u" }), find({ print: fingerprintOf("x") }), find({})], [
    1,
    1,
    undefined,
  ]);
  assert.equal(repeats.find(message("a", "y")), undefined, "it had none");
});

Deno.test("Repeats keeps a bounded number of messages with one fingerprint", () => {
  const repeats = new Repeats();
  const added = Array.from({ length: 100 }, (_, i) => alike(i + 1, `p${i}`));
  for (const one of added) repeats.add(one);
  const known = added.filter(({ payload }) => find(repeats, payload) !== undefined);
  assert.ok(known.length >= 2 && known.length <= 20, `${known.length} are kept`);
  assert.equal(known.at(-1), added.at(-1), "the newest");
  for (const one of added) repeats.delete(one);
  assert.equal(find(repeats, "p99"), undefined);
});

Deno.test("fingerprint() is of the bytes, wherever they lie, and differs for near ones", () => {
  const texts = Array.from({ length: 50_000 }, (_, i) => `{"uuid":"${i}","raw":"0000"}`);
  const prints = new Set(texts.map(fingerprintOf));
  assert.ok(prints.size > texts.length - 20, `${prints.size} of ${texts.length}`);
  for (const text of ["", "a", "abcd", "abcde", "ñ🚒", "\ufffd"]) {
    const bytes = new TextEncoder().encode(`xyz${text}xyz`);
    assert.equal(fingerprint(bytes.subarray(3, bytes.length - 3)), fingerprintOf(text));
  }
});
