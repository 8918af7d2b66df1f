import assert from "node:assert/strict";
import { JoinedEvents } from "../../../broker/streams/client_frame.ts";
import { LatestOutbox } from "../../../broker/streams/latest_outbox.ts";
import { parseCursor } from "../../../broker/messages/message.ts";
import { EPOCH, FakeSink, ItemSink, publication } from "./fake_sink.ts";
import { told } from "./told.ts";

function latest({ maxRate = 0, batchMs = 0 } = {}) {
  const sink = new ItemSink();
  const { log, events } = told();
  const clock = { ms: 1000 };
  const outbox = new LatestOutbox(sink, { maxRate, batchMs, now: () => clock.ms }, events);
  const add = (...items: [string, number][]) =>
    outbox.add(items.map(([id, offset]) => publication(id, offset)), new JoinedEvents());
  return { sink, log, clock, outbox, add, drain: () => outbox.drain(new JoinedEvents()) };
}

const cursors = (...offsets: number[]) => offsets.map((offset) => EPOCH.cursor(offset));

Deno.test("LatestOutbox: each device's newest message of a turn is sent, in log order", () => {
  const { sink, log, outbox, add } = latest();
  add(["A", 1], ["B", 2], ["A", 3], ["C", 4], ["A", 5]);
  assert.deepEqual(sink.take(), ["2", "4", "5"]);
  assert.deepEqual(sink.ids, cursors(2, 4, 5));
  assert.deepEqual([log.sent, log.dropped, outbox.messages], [3, [], 0]);
});

Deno.test("LatestOutbox: a client with 16 KB unread gets nothing new, then only the newest", () => {
  const { sink, log, outbox, add, drain } = latest();
  sink.buffered = 20_000;
  for (let offset = 1; offset <= 1000; offset++) add([offset % 2 === 0 ? "A" : "B", offset]);
  assert.deepEqual([sink.take(), outbox.messages, outbox.firstOffset], [[], 2, 999]);
  assert.equal(outbox.bytes, "999".length + "1000".length);
  assert.equal(drain(), "socket");
  sink.buffered = 16_384;
  assert.equal(drain(), "socket");
  assert.deepEqual(sink.take(), ["999"], "this one makes it more than 16 KB");
  sink.buffered = 16_000;
  assert.equal(drain(), "nothing");
  assert.deepEqual(sink.take(), ["1000"]);
  assert.deepEqual([log.sent, log.dropped, outbox.bytes], [2, [], 0]);
});

Deno.test("LatestOutbox: max_rate delays a device's next message, not those of others, and keeps the newest", () => {
  const { sink, clock, add, drain } = latest({ maxRate: 2 });
  add(["A", 1]);
  add(["A", 2], ["B", 3]);
  add(["A", 4]);
  assert.deepEqual(sink.take(), ["1", "3"]);
  clock.ms += 499;
  assert.equal(drain(), "time");
  clock.ms += 1;
  assert.equal(drain(), "nothing");
  assert.deepEqual(sink.take(), ["4"]);
  clock.ms += 10_000;
  add(["A", 5]);
  add(["A", 6]);
  assert.deepEqual(sink.take(), ["5"]);
});

Deno.test("LatestOutbox: max_rate may be below one message per second", () => {
  const { sink, clock, add, drain } = latest({ maxRate: 0.25 });
  add(["A", 1]);
  add(["A", 2]);
  clock.ms += 3999;
  drain();
  assert.deepEqual(sink.take(), ["1"]);
  clock.ms += 1;
  drain();
  assert.deepEqual(sink.take(), ["2"]);
});

Deno.test("LatestOutbox: an id is never above what waits, and never falls", () => {
  const { sink, clock, outbox, add, drain } = latest({ maxRate: 1 });
  add(["A", 1]);
  add(["A", 2]);
  add(["B", 3], ["C", 4]);
  assert.deepEqual(sink.ids.splice(0), cursors(1, 1, 1));
  add(["A", 5]);
  add(["D", 6]);
  assert.deepEqual(sink.ids.splice(0), cursors(4));
  assert.equal(outbox.firstOffset, 5);
  clock.ms += 1000;
  drain();
  assert.deepEqual([sink.take().at(-1), sink.ids], ["5", cursors(5)]);
});

Deno.test("LatestOutbox: a client that keeps up is never reported as waiting, and shares its bytes", () => {
  const { events, log } = told();
  const sink = new FakeSink();
  const outbox = new LatestOutbox(sink, { maxRate: 0, batchMs: 0, now: () => 0 }, events);
  outbox.add([publication("A", 1), publication("A", 2), publication("B", 3)], new JoinedEvents());
  outbox.add([publication("A", 4)], new JoinedEvents());
  assert.deepEqual([sink.written, log.waiting, log.sent], [["A:2", "B:3", "A:4"], 0, 3]);
});

Deno.test("LatestOutbox: whatever waits, ids never fall, and are never above the first waiting message", () => {
  for (const [maxRate, batchMs] of [[0, 0], [1, 0], [10, 0], [1, 50], [0, 50]] as const) {
    const { sink, clock, outbox, add, drain } = latest({ maxRate, batchMs });
    const newest = new Map<string, number>();
    let seed = 1 + maxRate + batchMs;
    const below = (limit: number) => (seed = (seed * 48_271) % 2_147_483_647) % limit;
    for (let offset = 1; offset <= 2000;) {
      const from = sink.ids.length;
      const turn = Array.from({ length: 1 + below(4) }, () => `d${below(20)}`);
      sink.buffered = below(3) === 0 ? 20_000 : 0;
      clock.ms += below(100);
      add(...turn.map((id): [string, number] => {
        newest.set(id, offset);
        return [id, offset++];
      }));
      if (below(2) === 0) drain();
      const ids = sink.ids.slice(from).map((id) => parseCursor(id!)!.offset);
      const before = from === 0 ? 0 : parseCursor(sink.ids[from - 1]!)!.offset;
      assert.deepEqual(ids, ids.toSorted((a, b) => a - b));
      assert.ok((ids[0] ?? before) >= before);
      assert.ok((ids.at(-1) ?? 0) < (outbox.firstOffset ?? Infinity));
    }
    sink.buffered = 0;
    while (drain() !== "nothing") clock.ms += 100;
    // The last message written of each device is its newest.
    const written = sink.written.flatMap((text) => text.replace(/[[\]]/g, "").split(" "));
    for (const offset of newest.values()) assert.ok(written.includes(String(offset)));
  }
});

Deno.test("LatestOutbox: devices that wait for their rate are not checked one by one", () => {
  const { clock, outbox, add, drain } = latest({ maxRate: 1 });
  const all = Array.from({ length: 1000 }, (_, i): [string, number] => [`d${i}`, i + 1]);
  add(...all);
  add(...all.map(([id, offset]): [string, number] => [id, 1000 + offset]));
  assert.equal(outbox.messages, 1000);
  const get = Map.prototype.get;
  let looks = 0;
  Map.prototype.get = function (key) {
    looks++;
    return get.call(this, key);
  };
  try {
    for (let i = 0; i < 40; i++) {
      clock.ms += 20;
      assert.equal(drain(), "time");
    }
    assert.equal(looks, 0);
  } finally {
    Map.prototype.get = get;
  }
  clock.ms += 200;
  assert.equal(drain(), "nothing");
});

Deno.test("LatestOutbox: messages of a replay count for the rate", () => {
  const { sink, clock, outbox, add, drain } = latest({ maxRate: 1 });
  outbox.replayed([publication("A", 1)]);
  add(["A", 2], ["B", 3]);
  assert.deepEqual(sink.take(), ["3"]);
  clock.ms += 1000;
  drain();
  assert.deepEqual(sink.take(), ["2"]);
});

Deno.test("LatestOutbox: a batch is one frame of each device's newest", () => {
  const { sink, add, drain } = latest({ batchMs: 100 });
  add(["A", 1], ["B", 2]);
  add(["A", 3]);
  assert.deepEqual(sink.written, []);
  assert.equal(drain(), "nothing");
  assert.deepEqual(sink.take(), ["[2 3]"]);
  for (let offset = 4; offset < 4 + 1001; offset++) add([`d${offset}`, offset]);
  drain();
  assert.deepEqual(sink.take().map((frame) => frame.split(" ").length), [500, 500, 1]);
});

Deno.test("LatestOutbox.forget() drops what waits", () => {
  const { sink, outbox, add, drain } = latest();
  sink.buffered = 20_000;
  add(["A", 1], ["B", 2], ["C", 3]);
  outbox.forget((deviceId) => deviceId === "B", 1);
  assert.deepEqual([outbox.messages, outbox.bytes, outbox.firstOffset], [2, 2, 1]);
  outbox.forget((deviceId) => deviceId === "B");
  sink.buffered = 0;
  drain();
  assert.deepEqual(sink.written, ["2"]);
});
