import assert from "node:assert/strict";
import type { Clock } from "../../../lib/clock.ts";
import { Interest } from "../../../broker/messages/interest.ts";
import { packFrame } from "../../../broker/log/log_frame.ts";
import type { StoredFrame } from "../../../broker/log/log_frame.ts";
import { Epoch } from "../../../broker/messages/message.ts";
import { ReplayCache } from "../../../broker/log/replay_cache.ts";
import { FakeClock } from "../../kit/fake_clock.ts";

const HEADER = { writer: "aaaaaaaa", batch: 1, logTime: 0, time: 0 };
const DEVICES = ["A", "B", "C"];

/** A store of frames of a few messages each, which counts how often it is read. */
class Store {
  readonly epoch = Epoch.random();
  readonly frames: StoredFrame[] = [];
  reads = 0;
  reading = 0;
  mostReading = 0;

  constructor(frames: number, messages = 3, chars = 10) {
    let firstOffset = 1;
    for (let n = 0; n < frames; n++) {
      const entries = Array.from({ length: messages }, (_, i) => ({
        deviceId: DEVICES[(firstOffset + i) % DEVICES.length]!,
        payload: `"${"x".repeat(chars)}${firstOffset + i}"`,
      }));
      const { bytes, count } = packFrame(HEADER, entries, 0);
      assert.equal(count, messages);
      this.frames.push({ ...HEADER, firstOffset, next: firstOffset + count, bytes });
      firstOffset += count;
    }
  }

  get end(): number {
    return this.frames.at(-1)!.next;
  }

  read = async (offset: number, maxFrames: number) => {
    this.reads++;
    this.mostReading = Math.max(this.mostReading, ++this.reading);
    await new Promise((resolve) => setTimeout(resolve));
    this.reading--;
    const frames = this.frames.filter(({ next }) => next > offset).slice(0, maxFrames);
    return { frames, floor: 1 };
  };

  stretch(cache: ReplayCache, offset: number, ids = "*", maxFrames = 4, epoch = this.epoch) {
    return cache.stretch(offset, {
      epoch,
      interest: Interest.parse([ids], 10),
      maxFrames,
      read: () => this.read(offset, maxFrames),
    });
  }

  /** Everything of interest, as a client reads it. */
  async all(cache: ReplayCache, from: number, ids = "*"): Promise<number[]> {
    const found: number[] = [];
    for (let at = from; at < this.end;) {
      const stretch = await this.stretch(cache, at, ids);
      assert.ok(stretch.reached >= at);
      found.push(...stretch.found.map(({ offset }) => offset));
      at = stretch.reached + 1;
    }
    return found;
  }
}

const CLOCK: Clock = {
  monotonic: () => performance.now(),
  wall: () => 0,
  random: () => 0,
  sleep: () => new Promise((resolve) => setTimeout(resolve)),
};

Deno.test("ReplayCache: many clients that begin anywhere get what they missed with few reads of the store", async () => {
  const store = new Store(40);
  const cache = new ReplayCache(CLOCK);
  const starts = Array.from({ length: 120 }, (_, i) => 1 + i % (store.end - 1));
  const found = await Promise.all(starts.map((from, i) => store.all(cache, from, DEVICES[i % 3])));
  for (const [i, from] of starts.entries()) {
    const due = Array.from({ length: store.end - from }, (_, n) => from + n)
      .filter((offset) => offset % 3 === i % 3);
    assert.deepEqual(found[i], due);
  }
  // Each client alone would read six pages: 700 reads in total.
  assert.ok(store.reads < 100, `${store.reads} reads`);
  assert.ok(store.mostReading <= 4, `${store.mostReading} at a time`);
  store.reads = 0;
  assert.equal((await store.all(cache, 1)).length, store.end - 1);
  assert.equal(store.reads, 0);
});

Deno.test("ReplayCache keeps 16 MB, and reads evicted frames again", async () => {
  const store = new Store(400, 1, 55_000);
  const cache = new ReplayCache(CLOCK);
  for (let round = 0; round < 2; round++) {
    store.reads = 0;
    assert.equal((await store.all(cache, 1)).length, 400);
    assert.equal(store.reads, 100, "the end evicted the beginning");
  }
});

Deno.test("ReplayCache: another epoch gets nothing of the previous one, even during a read for that", async () => {
  const store = new Store(8);
  const cache = new ReplayCache(CLOCK);
  const late = store.stretch(cache, 1);
  const other = Epoch.random();
  const found = (await store.stretch(cache, 1, "*", 4, other)).found;
  assert.ok(found.length === 12 && found.every(({ epoch }) => epoch === other));
  // What was read for the previous epoch is not kept for this one.
  assert.deepEqual((await late).found.filter(({ epoch }) => epoch !== store.epoch), []);
});

Deno.test("ReplayCache keeps nothing from a store of another epoch", async () => {
  const store = new Store(4);
  const cache = new ReplayCache(CLOCK);
  const options = { epoch: store.epoch, interest: Interest.EVERYTHING, maxFrames: 4 };
  const read = () => Promise.resolve(undefined);
  const nothing = { found: [], reached: 0, floor: 0 };
  assert.deepEqual(await cache.stretch(1, { ...options, read }), nothing);
  assert.deepEqual(await cache.stretch(1, { ...options, read }), nothing);
  assert.equal((await store.stretch(cache, 1)).found.length, 12);
});

Deno.test("ReplayCache: a failed read fails only for its caller; the others read for themselves", async () => {
  const store = new Store(4);
  const cache = new ReplayCache(CLOCK);
  const options = { epoch: store.epoch, interest: Interest.EVERYTHING, maxFrames: 4 };
  const fails = cache.stretch(1, {
    ...options,
    read: () => Promise.reject(new Error("the store is away")),
  });
  const other = store.stretch(cache, 1);
  await assert.rejects(fails, /away/);
  assert.equal((await other).found.length, 12);
});

Deno.test("ReplayCache yields to other work after some milliseconds", async () => {
  const store = new Store(4);
  let now = 0;
  let slept = 0;
  const cache = new ReplayCache({
    ...CLOCK,
    // Each read of the clock takes a millisecond.
    monotonic: () => now++,
    sleep: () => {
      slept++;
      return new Promise((resolve) => setTimeout(resolve));
    },
  });
  await store.all(cache, 1);
  slept = 0;
  await Promise.all(Array.from({ length: 60 }, () => store.all(cache, 1)));
  assert.ok(slept >= 8, `${slept} pauses`);
});

Deno.test("ReplayCache: frames are decoded in slices, even if several calls wait for them", async () => {
  const store = new Store(40);
  const clock = new FakeClock();
  let decoded = 0;
  let atPause = 0;
  let most = 0;
  const sleep = clock.sleep.bind(clock);
  clock.sleep = (ms, signal) => {
    most = Math.max(most, decoded - atPause);
    atPause = decoded;
    return sleep(ms, signal);
  };
  const cache = new ReplayCache(clock);
  const stretch = () =>
    cache.stretch(1, {
      epoch: store.epoch,
      interest: Interest.EVERYTHING,
      maxFrames: 40,
      read: () =>
        Promise.resolve({
          frames: store.frames.values().map((frame) => {
            decoded++;
            clock.now += 1;
            return frame;
          }),
          floor: 1,
        }),
    });
  const both = Promise.all([stretch(), stretch()]);
  await clock.pass(1_000);
  const [first, second] = await both;
  assert.equal(first.found.length, 120);
  assert.deepEqual(second.found, first.found);
  assert.deepEqual([decoded, most], [40, 5]);
});

Deno.test("ReplayCache: no frames are kept if another epoch begins while they are decoded", async () => {
  const store = new Store(40);
  const clock = new FakeClock();
  const cache = new ReplayCache(clock);
  const interest = Interest.EVERYTHING;
  const options = (epoch: Epoch, frames: Iterable<StoredFrame>) => ({
    epoch,
    interest,
    maxFrames: 40,
    read: () => Promise.resolve({ frames, floor: 1 }),
  });
  const slow = store.frames.values().map((frame) => {
    clock.now += 1;
    return frame;
  });
  const old = cache.stretch(1, options(store.epoch, slow));
  const other = Epoch.random();
  await clock.pass(0);
  const fresh = cache.stretch(1, options(other, store.frames.slice(0, 1)));
  await clock.pass(1_000);
  assert.deepEqual((await old).found, []);
  assert.deepEqual((await fresh).found.map(({ epoch }) => epoch), [other, other, other]);
});
