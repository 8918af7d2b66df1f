import assert from "node:assert/strict";
import { JoinedEvents } from "../../../broker/streams/client_frame.ts";
import { FifoOutbox } from "../../../broker/streams/fifo_outbox.ts";
import { SlowQueue } from "../../../broker/streams/slow_queue.ts";
import { FakeSink, publication } from "./fake_sink.ts";
import { told } from "./told.ts";

const LIMITS = { maxPerDevice: 3, maxBytes: 1_000_000 };

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
