import assert from "node:assert/strict";
import { SlowQueue } from "../../../broker/streams/slow_queue.ts";
import { publication } from "./fake_sink.ts";

const LIMITS = { maxPerDevice: 3, maxBytes: 1_000_000 };

/** Everything that comes out: messages as `device:offset`, counts as `device-count`. */
function emptied(queue: SlowQueue, step = 256): string[] {
  const out: string[] = [];
  for (let next = queue.peek(step); next; next = queue.peek(step)) {
    if ("count" in next) {
      out.push(`${next.deviceId}-${next.count}`);
      queue.shift(0);
    } else {
      out.push(...next.map(({ deviceId, offset }) => `${deviceId}:${offset}`));
      queue.shift(next.length);
    }
  }
  assert.ok(queue.empty);
  assert.deepEqual([queue.length, queue.bytes, queue.firstOffset], [0, 0, undefined]);
  return out;
}

function push(queue: SlowQueue, ...items: [deviceId: string, offset: number][]): boolean[] {
  return items.map(([deviceId, offset]) => queue.push(publication(deviceId, offset)));
}

Deno.test("SlowQueue is first in, first out, whatever the step", () => {
  for (const step of [1, 2, 256]) {
    const queue = new SlowQueue(LIMITS);
    push(queue, ["A", 1], ["B", 2], ["A", 3]);
    assert.deepEqual([queue.length, queue.bytes, queue.firstOffset], [3, 3, 1]);
    assert.deepEqual(emptied(queue, step), ["A:1", "B:2", "A:3"]);
  }
});

Deno.test("SlowQueue: a device's share is bounded, and others keep theirs", () => {
  const queue = new SlowQueue(LIMITS);
  const taken = push(queue, ["A", 1], ["A", 2], ["A", 3], ["A", 4], ["B", 5], ["A", 6]);
  assert.deepEqual(taken, [true, true, true, false, true, false]);
  assert.deepEqual(emptied(queue), ["A:1", "A:2", "A:3", "A-2", "B:5"]);
});

Deno.test("SlowQueue: a count is where its messages are missing", () => {
  const queue = new SlowQueue(LIMITS);
  push(queue, ["A", 1], ["A", 2], ["A", 3], ["A", 4], ["A", 5]);
  queue.shift(2);
  push(queue, ["B", 6], ["A", 7], ["A", 8], ["A", 9]);
  assert.equal(queue.firstOffset, 3);
  // A client that has read B:6, and resumes from there, knows what is missing before it.
  assert.deepEqual(emptied(queue), ["A:3", "A-2", "B:6", "A:7", "A:8", "A-1"]);
});

Deno.test("SlowQueue: bytes are bounded over all devices", () => {
  const queue = new SlowQueue({ maxPerDevice: 100, maxBytes: 1000 });
  assert.equal(queue.push(publication("A", 1, 600)), true);
  assert.equal(queue.push(publication("B", 2, 401)), false);
  assert.equal(queue.push(publication("C", 3, 400)), true);
  assert.equal(queue.bytes, 1000);
  assert.equal(queue.push(publication("D", 4)), false);
  queue.shift(1);
  assert.deepEqual([queue.bytes, queue.firstOffset], [400, 2]);
  assert.equal(queue.push(publication("B", 5, 600)), true);
  assert.deepEqual(emptied(queue), ["B-1", "C:3", "D-1", "B:5"]);
});

Deno.test("SlowQueue: every message comes out or is counted, in order, whatever happens", () => {
  let state = 12345;
  const below = (limit: number) => (state = (state * 48_271) % 2_147_483_647) % limit;
  for (let run = 0; run < 200; run++) {
    const queue = new SlowQueue({ maxPerDevice: 1 + below(5), maxBytes: 1 + below(60) });
    const seen = new Map<string, { last: number; messages: number; dropped: number }>();
    const of = (id: string) => seen.get(id) ?? { last: 0, messages: 0, dropped: 0 };
    const pushed = new Map<string, number>();
    const refused = new Map<string, number>();
    const count = (map: Map<string, number>, id: string) => map.set(id, (map.get(id) ?? 0) + 1);
    const takeSome = (limit: number) => {
      for (let i = 0; i < limit; i++) {
        const next = queue.peek(1 + below(4));
        if (!next) return;
        if ("count" in next) {
          const device = of(next.deviceId);
          seen.set(next.deviceId, { ...device, dropped: device.dropped + next.count });
          queue.shift(0);
          continue;
        }
        const taken = next.slice(0, 1 + below(next.length));
        for (const { deviceId, offset } of taken) {
          const device = of(deviceId);
          assert.ok(offset > device.last);
          // A count comes before the first message after the gap that it counts.
          assert.ok(offset === device.messages + device.dropped + 1, `${deviceId}:${offset}`);
          seen.set(deviceId, { ...device, last: offset, messages: device.messages + 1 });
        }
        queue.shift(taken.length);
      }
    };
    for (let i = 0; i < 300; i++) {
      const id = "ABC"[below(3)]!;
      // Offsets are counted per device here, so that gaps show.
      count(pushed, id);
      if (!queue.push(publication(id, pushed.get(id)!))) count(refused, id);
      if (below(3) === 0) takeSome(below(4));
    }
    takeSome(Infinity);
    for (const [id, total] of pushed) {
      const { messages, dropped } = of(id);
      assert.equal(messages + dropped, total);
      assert.equal(dropped, refused.get(id) ?? 0);
    }
    assert.ok(queue.empty);
  }
});

Deno.test("SlowQueue.forget() removes messages and counts of devices, and frees their room", () => {
  const queue = new SlowQueue({ maxPerDevice: 2, maxBytes: 1_000_000 });
  push(queue, ["A", 1], ["B", 2], ["A", 3], ["A", 4], ["B", 5], ["B", 6]);
  queue.forget((deviceId) => deviceId !== "A");
  assert.deepEqual([queue.length, queue.bytes, queue.firstOffset], [2, 2, 2]);
  assert.deepEqual(push(queue, ["A", 7], ["A", 8], ["A", 9]), [true, true, false]);
  assert.deepEqual(emptied(queue), ["B:2", "B:5", "B-1", "A:7", "A:8", "A-1"]);
});

Deno.test("SlowQueue.forget() with an offset keeps what is older", () => {
  const queue = new SlowQueue({ maxPerDevice: 10, maxBytes: 1_000_000 });
  push(queue, ["A", 1], ["B", 2], ["A", 3], ["B", 4], ["A", 5]);
  queue.forget((deviceId) => deviceId !== "A", 3);
  assert.deepEqual(emptied(queue), ["A:1", "B:2", "A:3", "B:4"]);
  const full = new SlowQueue({ maxPerDevice: 1, maxBytes: 1_000_000 });
  push(full, ["A", 1], ["A", 2], ["B", 3], ["B", 4]);
  full.forget(() => false, 2);
  assert.deepEqual(emptied(full), ["A:1", "A-1"]);
});

Deno.test("SlowQueue: thousands of messages leave nothing behind", () => {
  const queue = new SlowQueue({ maxPerDevice: 100, maxBytes: 1_000_000 });
  let next = 0;
  for (let offset = 1; offset <= 20_000; offset++) {
    queue.push(publication(`d${offset % 200}`, offset));
    if (queue.length < 5000) continue;
    for (let step = queue.peek(7); step && !("count" in step); step = queue.peek(7)) {
      for (const { offset } of step) assert.equal(offset, ++next);
      queue.shift(step.length);
      if (queue.length < 100) break;
    }
  }
  emptied(queue);
});
