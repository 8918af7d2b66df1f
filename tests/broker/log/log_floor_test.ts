import assert from "node:assert/strict";
import { logKey } from "../../../broker/store/kv_keys.ts";
import { LogFloor } from "../../../broker/log/log_floor.ts";
import { packFrame } from "../../../broker/log/log_frame.ts";
import { LogReader } from "../../../broker/log/log_reader.ts";
import { MemoryKv } from "../../../broker/store/memory_kv.ts";

/** Frames of ten messages, one every 100 ms of the log's time. */
const frame = (n: number) => ({ firstOffset: 1 + 10 * n, next: 11 + 10 * n, logTime: 100 * n });
const frames = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => frame(from + i));
const ALL = { olderThan: Infinity, upTo: Infinity };

async function stored(from: number, to: number): Promise<LogReader> {
  const kv = new MemoryKv();
  for (const { firstOffset, logTime } of frames(from, to)) {
    const header = { writer: "abcdefgh", batch: 1, logTime, time: 0 };
    const entries = Array.from({ length: 10 }, () => ({ deviceId: "a", payload: "1" }));
    const { bytes } = packFrame(header, entries, 0);
    await kv.commit({ checks: [], sets: [{ key: logKey(firstOffset), value: bytes }] });
  }
  return new LogReader(kv);
}

Deno.test("LogFloor.expired() deletes older frames and moves the floor past them", () => {
  const floor = new LogFloor();
  floor.add(frames(0, 5));
  const expired = floor.expired({ floor: 1, olderThan: 200, upTo: 50 });
  assert.deepEqual(expired, { deletes: [logKey(1), logKey(11)], floor: 21 });
  floor.advance(21);
  assert.deepEqual(floor.expired({ floor: 21, olderThan: 200, upTo: 50 }), {
    deletes: [],
    floor: 21,
  });
});

Deno.test("LogFloor.expired() does not move the floor past the stored last messages", () => {
  const floor = new LogFloor();
  floor.add(frames(0, 5));
  assert.equal(floor.expired({ floor: 1, olderThan: Infinity, upTo: 29 }).floor, 21);
  assert.equal(floor.expired({ floor: 1, olderThan: Infinity, upTo: 30 }).floor, 31);
});

Deno.test("LogFloor.expired() deletes a bounded number of frames per commit, and all of them eventually", () => {
  const floor = new LogFloor();
  floor.add(frames(0, 250));
  const counts: number[] = [];
  for (let at = 1; at < 2501;) {
    const expired = floor.expired({ floor: at, ...ALL });
    counts.push(expired.deletes.length);
    floor.advance(at = expired.floor);
  }
  assert.deepEqual(counts, [100, 100, 50]);
});

Deno.test("LogFloor knows nothing about frames that it has not seen", () => {
  const floor = new LogFloor();
  floor.add(frames(3, 5));
  assert.deepEqual(floor.expired({ floor: 1, ...ALL }), { deletes: [], floor: 1 });
});

Deno.test("LogFloor.complete() reads missing ages page by page", async () => {
  const reader = await stored(0, 150);
  const floor = new LogFloor();
  floor.add(frames(148, 150));
  let at = 1;
  let rounds = 0;
  for (; at < 1501 && rounds < 20; rounds++) {
    await floor.complete(reader, at, 1501);
    floor.advance(at = floor.expired({ floor: at, ...ALL }).floor);
  }
  assert.equal(at, 1501);
  assert(rounds <= 4, `${rounds} rounds`);
});

Deno.test("LogFloor.complete() finds frames below the floor in a replaced database", async () => {
  const reader = await stored(0, 6);
  const floor = new LogFloor();
  floor.add(frames(4, 6));
  await floor.complete(reader, 41, 61);
  const kept = { floor: 41, olderThan: 0, upTo: 60 };
  const keys = [0, 1, 2, 3].map((n) => logKey(frame(n).firstOffset));
  assert.deepEqual(floor.expired(kept), { deletes: keys, floor: 41 });
  assert.deepEqual(floor.expired(kept), { deletes: [], floor: 41 }, "they are deleted once");
  await floor.complete(reader, 41, 61);
  assert.deepEqual(floor.expired(kept).deletes, keys, "again if that commit was not applied");
});

Deno.test("LogFloor.complete() does not let a missing part hold the floor back", async () => {
  const reader = await stored(5, 7);
  const floor = new LogFloor();
  await floor.complete(reader, 1, 71);
  assert.equal(floor.expired({ floor: 1, olderThan: 501, upTo: Infinity }).floor, 61);
});

Deno.test("LogFloor.clear() forgets everything, including what is being read", async () => {
  const reader = await stored(0, 6);
  const floor = new LogFloor();
  const reading = floor.complete(reader, 31, 61);
  floor.clear();
  await reading;
  assert.deepEqual(floor.expired({ floor: 31, ...ALL }), { deletes: [], floor: 31 });
});
