import assert from "node:assert/strict";
import { fingerprint, fingerprintOf } from "../../../broker/messages/fingerprint.ts";
import type { Publication } from "../../../broker/messages/message.ts";
import { type Recent, Repeats } from "../../../broker/log/repeats.ts";
import { publication } from "../publications.ts";

const message = (deviceId: string, payload: string) => ({ deviceId, payload, uuid: "u" });
/** As if their fingerprints were equal by chance. */
const alike = (offset: number, payload: string) =>
  Object.assign(publication(offset, "a", { payload, hasUuid: true }), { fingerprint: 1 });

class Log implements Recent {
  start = 0;
  readonly #all: Publication[] = [];
  readonly repeats = new Repeats(this);

  get position(): number {
    return this.#all.length;
  }

  at(offset: number): Publication | undefined {
    return offset > this.start ? this.#all[offset - 1] : undefined;
  }

  add(publication: Publication): void {
    this.#all.push(publication);
    this.repeats.add(publication);
  }

  find(payload: string): number | undefined {
    return this.repeats.find({ ...message("a", payload), fingerprint: 1 })?.offset;
  }
}

Deno.test("Repeats.find() distinguishes messages with equal fingerprints", () => {
  const log = new Log();
  ["x", "y", "z"].forEach((payload, i) => log.add(alike(i + 1, payload)));
  assert.deepEqual(["x", "y", "z", "q"].map((p) => log.find(p)), [1, 2, 3, undefined]);
  log.start = 1;
  assert.deepEqual(["x", "y", "z"].map((p) => log.find(p)), [undefined, 2, 3]);
  log.start = 3;
  assert.deepEqual(["x", "y", "z"].map((p) => log.find(p)), [undefined, undefined, undefined]);
});

Deno.test("Repeats.find() needs a uuid, or a fingerprint in its place", () => {
  const log = new Log();
  log.add(publication(1, "a", { payload: "x", hasUuid: true }));
  log.add(publication(2, "a", { payload: "y" }));
  const find = (more: { uuid?: string; fingerprint?: number }) =>
    log.repeats.find({ deviceId: "a", payload: "x", ...more })?.offset;
  assert.deepEqual([find({ uuid: "u" }), find({ fingerprint: fingerprintOf("x") }), find({})], [
    1,
    1,
    undefined,
  ]);
  assert.equal(log.repeats.find(message("a", "y")), undefined, "it had no uuid");
});

Deno.test("Repeats keeps a bounded number of messages with one fingerprint", () => {
  const log = new Log();
  const payloads = Array.from({ length: 5_000 }, (_, i) => `p${i}`);
  payloads.forEach((payload, i) => log.add(alike(i + 1, payload)));
  const known = payloads.filter((payload) => log.find(payload) !== undefined);
  assert.ok(known.length >= 2 && known.length <= 20, `${known.length} are kept`);
  assert.equal(known.at(-1), payloads.at(-1), "the newest");
  log.start = log.position;
  assert.equal(log.find(payloads.at(-1)!), undefined);
});

Deno.test("fingerprint() depends only on the bytes, and differs for similar payloads", () => {
  const texts = Array.from({ length: 50_000 }, (_, i) => `{"uuid":"${i}","raw":"0000"}`);
  const fingerprints = new Set(texts.map(fingerprintOf));
  assert.ok(fingerprints.size > texts.length - 20, `${fingerprints.size} of ${texts.length}`);
  for (const text of ["", "a", "abcd", "abcde", "ñ🚒", "\ufffd"]) {
    const bytes = new TextEncoder().encode(`xyz${text}xyz`);
    assert.equal(fingerprint(bytes.subarray(3, bytes.length - 3)), fingerprintOf(text));
  }
});
