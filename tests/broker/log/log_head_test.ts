import assert from "node:assert/strict";
import { StoreDamagedError } from "../../../broker/store/kv_client.ts";
import {
  decodeHead,
  encodeHead,
  lacks,
  type LogHead,
  writtenBy,
} from "../../../broker/log/log_head.ts";
import { encodeJson } from "../../../broker/store/stored_json.ts";

const HEAD: LogHead = {
  epoch: "abc",
  next: 10,
  floor: 3,
  logTime: 1.5,
  writer: "one",
  batch: 4,
  written: [["two", 7], ["one", 4]],
};

Deno.test("decodeHead() reads what encodeHead() wrote, and heads of earlier versions", () => {
  assert.deepEqual(decodeHead(encodeHead(HEAD)), HEAD);
  const { written: _, ...older } = HEAD;
  assert.deepEqual(decodeHead(encodeJson(older)).written, []);
});

Deno.test("decodeHead() rejects foreign or damaged bytes", () => {
  const damaged = [{}, { ...HEAD, epoch: "A b" }, { ...HEAD, next: "10" }, {
    ...HEAD,
    floor: null,
  }];
  for (const value of damaged) {
    assert.throws(() => decodeHead(encodeJson(value)), StoreDamagedError);
  }
  assert.throws(() => decodeHead(new Uint8Array([1, 2, 3])), StoreDamagedError);
});

Deno.test("writtenBy() puts the writer last and keeps the 15 most recent others", () => {
  assert.deepEqual(writtenBy(HEAD, "two", 8), [["one", 4], ["two", 8]]);
  let head = HEAD;
  for (let n = 0; n < 100; n++) head = { ...head, written: writtenBy(head, `w${n}`, 1) };
  assert.equal(head.written.length, 16);
  assert.deepEqual(head.written.at(-1), ["w99", 1]);
  assert.deepEqual(head.written[0], ["w84", 1]);
});

Deno.test("lacks() distinguishes an older copy of the log from one that continued", () => {
  const went = { ...HEAD, next: 20, written: writtenBy(HEAD, "three", 1) };
  assert.equal(lacks(went, HEAD), false);
  assert.equal(lacks(HEAD, HEAD), false);
  assert.equal(lacks({ ...HEAD, next: 9 }, HEAD), true, "it is shorter");
  const older = { ...went, written: [["two", 6], ["one", 4], ["three", 1]] as const };
  assert.equal(lacks(older, HEAD), true, "a writer is behind");
  const other = { ...went, written: [["two", 7], ["three", 1]] as const };
  assert.equal(lacks(other, HEAD), true, "a writer is missing");
  let later: LogHead = went;
  for (let n = 0; n < 20; n++) later = { ...later, written: writtenBy(later, `w${n}`, 1) };
  assert.equal(lacks(later, HEAD), false, "its writers are forgotten by now");
});
