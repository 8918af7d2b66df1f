import assert from "node:assert/strict";
import { JoinedEvents } from "../../../broker/streams/client_frame.ts";
import { FifoOutbox } from "../../../broker/streams/fifo_outbox.ts";
import { LatestOutbox } from "../../../broker/streams/latest_outbox.ts";
import { parseCursor } from "../../../broker/messages/message.ts";
import { SlowQueue } from "../../../broker/streams/slow_queue.ts";
import { EPOCH, FakeSink, ItemSink, publication } from "./fake_sink.ts";

const LIMITS = { maxPerDevice: 3, maxBytes: 1_000_000 };

function told() {
  const log = { sent: 0, dropped: [] as string[], waiting: 0 };
  const events = {
    onSent: (count: number) => void (log.sent += count),
    onDrop: (deviceId: string) => void log.dropped.push(deviceId),
    onWaiting: () => void log.waiting++,
  };
  return { log, events };
}

function fifo({ batchMs = 0, limits = LIMITS } = {}) {
  const sink = new FakeSink();
  const { log, events } = told();
  const outbox = new FifoOutbox(sink, { limits, batchMs }, events);
  const add = (...items: [string, number][]) =>
    outbox.add(items.map(([id, offset]) => publication(id, offset)), new JoinedEvents());
  return { sink, log, outbox, add, drain: () => outbox.drain(new JoinedEvents()) };
}

// ---- every message

Deno.test("FifoOutbox writes directly, and nothing waits", () => {
  const { sink, log, outbox, add, drain } = fifo();
  add(["A", 1], ["B", 2]);
  add(["A", 3]);
  assert.deepEqual(sink.written, ["A:1", "B:2", "A:3"]);
  assert.deepEqual([log, outbox.messages, outbox.bytes, outbox.firstOffset], [
    { sent: 3, dropped: [], waiting: 0 },
    0,
    0,
    undefined,
  ]);
  assert.equal(drain(), "nothing");
});

Deno.test("FifoOutbox: messages that a full socket does not take wait, and newer ones behind them", () => {
  const { sink, log, outbox, add, drain } = fifo();
  sink.room = 1;
  add(["A", 1], ["A", 2]);
  sink.room = 5;
  add(["B", 3]);
  assert.deepEqual(sink.take(), ["A:1"]);
  assert.deepEqual([outbox.messages, outbox.firstOffset, log.waiting], [2, 2, 1]);
  sink.room = 0;
  assert.equal(drain(), "socket");
  sink.room = 1;
  assert.equal(drain(), "socket");
  assert.deepEqual(sink.take(), ["A:2"]);
  sink.room = 9;
  assert.equal(drain(), "nothing");
  assert.deepEqual(sink.take(), ["B:3"]);
  add(["A", 4]);
  assert.deepEqual(sink.take(), ["A:4"]);
  assert.equal(log.sent, 4);
});

Deno.test("FifoOutbox drops and counts new messages, and tells the client where they are missing", () => {
  const { sink, log, add, drain } = fifo();
  sink.room = 0;
  add(["A", 1], ["A", 2], ["A", 3], ["A", 4], ["B", 5], ["A", 6]);
  assert.deepEqual(log.dropped, ["A", "A"]);
  sink.room = 1;
  drain();
  add(["A", 7], ["A", 8]);
  sink.room = Infinity;
  assert.equal(drain(), "nothing");
  assert.deepEqual(sink.written, [
    "A:1",
    "A:2",
    "A:3",
    'dropped {"device_id":"A","count":2}',
    "B:5",
    "A:7",
    'dropped {"device_id":"A","count":1}',
  ]);
  assert.equal(log.sent, 5);
});

Deno.test("FifoOutbox: any device id is valid JSON in a dropped event", () => {
  const { sink, add, drain } = fifo({ limits: { maxPerDevice: 1, maxBytes: 100 } });
  sink.room = 0;
  add(['"\\\n😀', 1], ['"\\\n😀', 2]);
  sink.room = Infinity;
  drain();
  const [, data] = /^dropped (.*)$/.exec(sink.written[1]!)!;
  assert.deepEqual(JSON.parse(data!), { device_id: '"\\\n😀', count: 1 });
});

Deno.test("FifoOutbox: a batch is one frame when it is due, even with a single message", () => {
  const { sink, log, outbox, add, drain } = fifo({ batchMs: 100 });
  add(["A", 1]);
  assert.deepEqual([sink.written, log.waiting, outbox.firstOffset], [[], 1, 1]);
  add(["B", 2], ["A", 3]);
  assert.deepEqual([outbox.messages, outbox.bytes, log.waiting], [3, 3, 1]);
  assert.equal(drain(), "nothing");
  assert.deepEqual(sink.take(), ["[A:1 B:2 A:3]"]);
  add(["A", 4]);
  assert.equal(drain(), "nothing");
  assert.deepEqual([sink.take(), log.sent, log.waiting], [["[A:4]"], 4, 2]);
});

Deno.test("FifoOutbox: a batch closes at 500 messages or 256 KiB, before its time", () => {
  const { sink, add, outbox } = fifo({ batchMs: 1000 });
  for (let offset = 1; offset <= 501; offset++) add([`d${offset}`, offset]);
  assert.equal(sink.take().length, 1);
  assert.equal(outbox.messages, 1);
  const big = fifo({ batchMs: 1000 });
  for (const offset of [1, 2, 3, 4, 5]) {
    big.outbox.add([publication("A", offset, 60_000)], new JoinedEvents());
  }
  assert.deepEqual(big.sink.take(), ["[A:1 A:2 A:3 A:4 A:5]"]);
});

Deno.test("FifoOutbox: batches of a slow client wait in order, bounded like messages", () => {
  const { sink, log, add, drain } = fifo({ batchMs: 100 });
  sink.room = 0;
  add(["A", 1], ["A", 2]);
  assert.equal(drain(), "socket");
  add(["A", 3], ["A", 4], ["B", 5]);
  assert.equal(drain(), "socket");
  assert.deepEqual(log.dropped, ["A"]);
  sink.room = Infinity;
  add(["B", 6]);
  assert.equal(drain(), "nothing");
  assert.deepEqual(sink.written, [
    "[A:1 A:2 A:3]",
    'dropped {"device_id":"A","count":1}',
    "[B:5 B:6]",
  ]);
});

Deno.test("FifoOutbox.forget() drops what waits in queue and batch", () => {
  const { sink, outbox, add, drain } = fifo({ batchMs: 100 });
  sink.room = 0;
  add(["A", 1], ["B", 2]);
  drain();
  add(["A", 3], ["B", 4]);
  outbox.forget((deviceId) => deviceId === "B");
  assert.deepEqual([outbox.messages, outbox.bytes, outbox.firstOffset], [2, 2, 2]);
  sink.room = Infinity;
  assert.equal(drain(), "nothing");
  assert.deepEqual(sink.written, ["[B:2 B:4]"]);
  add(["A", 5]);
  outbox.forget(() => false);
  assert.deepEqual([outbox.messages, outbox.bytes, outbox.firstOffset], [0, 0, undefined]);
  assert.equal(drain(), "nothing");
  assert.equal(sink.written.length, 1);
});

Deno.test("FifoOutbox: for a client that reads nothing, only the socket is checked, not the queue", () => {
  const { sink, add, drain } = fifo({ limits: { maxPerDevice: 1000, maxBytes: 1_000_000 } });
  sink.room = 0;
  for (let offset = 1; offset <= 1000; offset++) add(["A", offset]);
  const peek = SlowQueue.prototype.peek;
  let peeks = 0;
  SlowQueue.prototype.peek = function (max) {
    peeks++;
    return peek.call(this, max);
  };
  try {
    for (let i = 0; i < 100; i++) assert.equal(drain(), "socket");
    assert.equal(peeks, 0);
    sink.room = Infinity;
    assert.equal(drain(), "nothing");
    assert.equal(peeks, 4);
  } finally {
    SlowQueue.prototype.peek = peek;
  }
});

Deno.test("FifoOutbox: in one turn, a batch is filled first, and the queue takes the rest, in order", () => {
  const { sink, log, outbox, drain } = fifo({
    batchMs: 100,
    limits: { maxPerDevice: 10, maxBytes: 1_000_000 },
  });
  sink.room = 0;
  const turn = [1, 2, 3, 4, 5, 6, 7].map((offset) => publication("A", offset, 60_000));
  outbox.add(turn, new JoinedEvents());
  assert.deepEqual([outbox.messages, outbox.firstOffset], [7, 1]);
  outbox.add([publication("A", 8)], new JoinedEvents());
  sink.room = Infinity;
  assert.equal(drain(), "nothing");
  assert.deepEqual(sink.written, ["[A:1 A:2 A:3 A:4 A:5 A:6 A:7 A:8]"]);
  assert.equal(log.sent, 8);
});

// ---- the newest of each device

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
