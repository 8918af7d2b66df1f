import assert from "node:assert/strict";
import { Interest } from "../../../broker/messages/interest.ts";
import { Epoch } from "../../../broker/messages/message.ts";
import { MessageLog } from "../../../broker/log/message_log.ts";
import { publication } from "../publications.ts";
import { Random } from "../simulation/random.ts";

const HUGE = { maxBytes: 1_000_000 };
/** What a publication with a payload of `chars` counts as. */
const bytesOf = (chars: number) => chars + 200;

function filled(count: number, options = HUGE): MessageLog {
  const log = new MessageLog(options);
  for (let offset = 1; offset <= count; offset++) {
    log.append(publication(offset, `d${offset % 3}`, { payload: "x".repeat(100) }));
  }
  return log;
}

function offsetsAfter(log: MessageLog, offset: number, interest = Interest.EVERYTHING) {
  return log.after(offset, interest, Infinity)?.found.map((found) => found.offset);
}

Deno.test("MessageLog.append() accepts only dense offsets", () => {
  const log = filled(3);
  assert.throws(() => log.append(publication(5, "a")), RangeError);
  assert.throws(() => log.append(publication(3, "a")), RangeError);
  log.append(publication(4, "a"));
  assert.equal(log.position, 4);
});

Deno.test("MessageLog is bounded in bytes, and keeps the last message of each device forever", () => {
  const log = new MessageLog({ maxBytes: 10 * bytesOf(100) });
  log.append(publication(1, "quiet", { payload: "x".repeat(100) }));
  for (let offset = 2; offset <= 100; offset++) {
    log.append(publication(offset, "loud", { payload: "x".repeat(100) }));
  }
  assert.deepEqual([log.position, log.start, log.bytes], [100, 90, 10 * bytesOf(100)]);
  assert.equal(log.lastOf("quiet")?.offset, 1);
  assert.equal(log.deviceCount, 2);
  assert.deepEqual(offsetsAfter(log, 89), undefined);
  assert.deepEqual(offsetsAfter(log, 90)?.length, 10);
});

Deno.test("MessageLog.after() is limited by maxBytes, and returns how far it got", () => {
  const log = filled(30);
  for (const interest of [Interest.EVERYTHING, Interest.parse(["d1"], 10)]) {
    const all = offsetsAfter(log, 0, interest)!;
    let at = 0;
    const found: number[] = [];
    while (at < log.position) {
      const step = log.after(at, interest, 250)!;
      assert(step.reached > at && step.found.length <= 3, "a step is small and makes progress");
      assert(step.found.every(({ offset }) => offset > at && offset <= step.reached));
      found.push(...step.found.map(({ offset }) => offset));
      at = step.reached;
    }
    assert.deepEqual(found, all);
  }
  assert.deepEqual(log.after(30, Interest.EVERYTHING, 100), { found: [], reached: 30 });
});

/** Everything found after `offset`, step by step. */
function searched(log: MessageLog, offset: number, interest: Interest, maxBytes: number) {
  const found: number[] = [];
  let steps = 0;
  for (let at = offset; at < log.position; steps++) {
    const step = log.after(at, interest, maxBytes)!;
    assert.ok(step.reached > at);
    found.push(...step.found.map((publication) => publication.offset));
    at = step.reached;
  }
  return { found, steps };
}

Deno.test("MessageLog.after() finds the same with every way of searching and every step size", () => {
  const random = new Random(7);
  const log = new MessageLog({ maxBytes: 10_000 * bytesOf(10) });
  const all: { offset: number; deviceId: string }[] = [];
  for (let offset = 1; offset <= 12_000; offset++) {
    const deviceId = random.chance(0.4) ? "hot" : `d${random.int(0, 3_000)}`;
    log.append(publication(offset, deviceId, { payload: "x".repeat(10) }));
    all.push({ offset, deviceId });
  }
  for (const ids of ["hot", "d7", "hot,d7,d8", "d1*", "hot,d2*", "*", "none", "none*"]) {
    const interest = Interest.parse([ids], 10);
    const many = Interest.parse([ids, ...Array.from({ length: 70 }, (_, i) => `z${i}`)], 80);
    for (const offset of [log.start, log.start + 5_000, log.position - 3]) {
      const wanted = all.filter((one) => one.offset > offset && interest.matches(one.deviceId))
        .map((one) => one.offset);
      for (const maxBytes of [10, 5_000, 1_000_000]) {
        assert.deepEqual(searched(log, offset, interest, maxBytes).found, wanted);
        assert.deepEqual(searched(log, offset, many, maxBytes).found, wanted);
      }
    }
  }
});

Deno.test("MessageLog.after() takes no longer if matches are rare or a device has sent a lot", () => {
  const log = new MessageLog({ maxBytes: 60_000 * bytesOf(10) });
  for (let offset = 1; offset <= 50_000; offset++) {
    log.append(publication(offset, offset % 2 ? "hot" : `d${offset}`, { payload: "x".repeat(10) }));
  }
  const rare = Interest.parse(["none*"], 1);
  const matches = rare.matches.bind(rare);
  let looks = 0;
  Object.assign(rare, { matches: (id: string) => (looks++, matches(id)) });
  assert.deepEqual(log.after(0, rare, 1_000), { found: [], reached: 4_096 });
  assert.equal(looks, 4_096);
  assert.equal(searched(log, 0, rare, 1_000).steps, 13);
  const at = log.at.bind(log);
  let walked = 0;
  log.at = (offset) => (walked++, at(offset));
  assert.equal(log.after(0, Interest.parse(["hot"], 1), 1_000)!.found.length, 100);
  assert.ok(walked < 5_000, `${walked} publications were looked at for the first 100`);
});

Deno.test("MessageLog.repeated() finds everything recent and nothing else, however much is appended", () => {
  const random = new Random(11);
  const log = new MessageLog({ maxBytes: 5_000 * bytesOf(6) });
  const message = (offset: number) => ({
    deviceId: `d${offset % 7}`,
    payload: String(100_000 + offset),
    uuid: "u",
  });
  for (let offset = 1; offset <= 20_000; offset++) {
    const { deviceId, payload } = message(offset);
    log.append(publication(offset, deviceId, { payload, hasUuid: offset % 3 > 0 }));
    if (random.chance(0.001)) log.trim(log.start + random.int(0, 2_000));
    const older = random.int(Math.max(1, log.start - 100), log.position);
    const isKnown = older > log.start && older % 3 > 0;
    assert.equal(log.repeated(message(older))?.offset, isKnown ? older : undefined);
  }
  log.reset(15_000);
  for (let offset = 15_001; offset <= 15_100; offset++) {
    log.append(publication(offset, "other", { payload: `other ${offset}`, hasUuid: true }));
  }
  for (let offset = 14_000; offset <= 20_000; offset++) {
    assert.equal(log.repeated(message(offset)), undefined);
  }
});

Deno.test("MessageLog.repeated() compares device, uuid and bytes of recent messages", () => {
  const log = new MessageLog({ maxBytes: 3 * bytesOf(1) });
  const message = (deviceId: string, uuid?: string) => ({ deviceId, payload: "p", uuid });
  log.append(publication(1, "a", { payload: "p", hasUuid: true }));
  assert.equal(log.repeated(message("a", "u"))?.offset, 1);
  assert.equal(log.repeated(message("b", "u")), undefined, "another device");
  assert.equal(log.repeated(message("a")), undefined, "without a uuid nothing is a repeat");
  log.append(publication(2, "b", { payload: "p", hasUuid: true }));
  log.append(publication(3, "c", { payload: "q" }));
  assert.equal(log.repeated({ deviceId: "c", payload: "q", uuid: "u" }), undefined);
  assert.equal(log.repeated(message("b", "u"))?.offset, 2);
  log.append(publication(4, "c", { payload: "r" }));
  assert.equal(log.repeated(message("a", "u")), undefined, "it fell out of the window");
  assert.equal(log.repeated(message("b", "u"))?.offset, 2, "it is still in the window");
  log.append(publication(5, "c", { payload: "s" }));
  assert.equal(log.repeated(message("b", "u")), undefined);
});

Deno.test("MessageLog.trim() forgets what is below the floor, but keeps the last message of each device", () => {
  const log = filled(10);
  log.trim(7);
  assert.deepEqual(offsetsAfter(log, 7), [8, 9, 10]);
  assert.equal(offsetsAfter(log, 6), undefined);
  assert.equal(log.previousOf(log.lastOf("d1")!), undefined);
  log.trim(1000);
  assert.deepEqual([log.start, log.position, log.bytes], [10, 10, 0]);
  assert.equal(log.lastOf("d0")?.offset, 9);
  log.append(publication(11, "d0"));
  assert.equal(log.previousOf(log.lastOf("d0")!), undefined, "no link to what is forgotten");
});

Deno.test("MessageLog.trimOlderThan() uses the time of the append", () => {
  const log = new MessageLog(HUGE);
  for (let offset = 1; offset <= 5; offset++) {
    log.append(publication(offset, "a", { time: offset * 1000 }));
  }
  log.trimOlderThan(3000);
  assert.deepEqual(offsetsAfter(log, log.start), [3, 4, 5]);
  log.trimOlderThan(1e9);
  assert.equal(log.start, 5);
});

Deno.test("MessageLog.reset() continues at another position and keeps only the last messages", () => {
  const log = filled(10);
  log.reset(3);
  assert.deepEqual([log.position, log.start, log.bytes], [3, 3, 0]);
  assert.equal(log.repeated({ deviceId: "d1", payload: "x".repeat(100), uuid: "u" }), undefined);
  const epoch = new Epoch("next");
  log.append(publication(4, "d1", { epoch }));
  assert.equal(log.lastOf("d1")?.epoch.id, "next");
  assert.equal(log.previousOf(log.lastOf("d1")!), undefined);
  assert.equal(log.lastOf("d2")?.offset, 8);
  assert.deepEqual(offsetsAfter(log, 3, Interest.parse(["d1,d2"], 10)), [4]);
});

Deno.test("MessageLog.restoreLast() never replaces a newer message of the same epoch by an older one", () => {
  const log = filled(5);
  log.restoreLast(publication(3, "d2"));
  assert.equal(log.lastOf("d2")?.offset, 5);
  log.restoreLast(publication(9, "d2"));
  assert.equal(log.lastOf("d2")?.offset, 9);
  log.restoreLast(publication(1, "d2", { epoch: new Epoch("next") }));
  assert.equal(log.lastOf("d2")?.epoch.id, "next");
});

Deno.test("MessageLog finds the same by chains as by a full scan", () => {
  const random = new Random(7);
  const log = new MessageLog({ maxBytes: 20_000 });
  for (let offset = 1; offset <= 3_000; offset++) {
    log.append(publication(offset, `d${random.int(0, 9)}`));
    if (random.chance(0.01)) log.trim(log.start + random.int(0, 20));
    if (!random.chance(0.05)) continue;
    const ids = Array.from({ length: random.int(1, 4) }, () => `d${random.int(0, 9)}`);
    const [chains, scan] = [Interest.parse(ids, 10), Interest.parse([...ids, "none*"], 10)];
    const from = random.int(log.start, log.position);
    assert.deepEqual(offsetsAfter(log, from, chains), offsetsAfter(log, from, scan));
  }
});
