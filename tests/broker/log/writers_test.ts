import assert from "node:assert/strict";
import { KvFanout } from "../../../broker/log/kv_fanout.ts";
import { MemoryKv } from "../../../broker/store/memory_kv.ts";
import { DistantKv } from "../../kit/servers/distant_kv.ts";
import { FakeClock } from "../../kit/fake_clock.ts";

const SECONDS = 5;
const EVERY_MS = 4;

/** Writers publish all the time; returns how long each publish waited, by writer. */
async function race(distances: { readMs: number; commitMs: number }[]): Promise<number[][]> {
  const [store, clock] = [new MemoryKv(), new FakeClock()];
  const fanouts: KvFanout[] = [];
  for (const distance of distances) {
    const fanout = new KvFanout(new DistantKv(store, clock, distance), {
      retentionMs: 60_000,
      recentMaxBytes: 1_000_000,
      clock,
    });
    const started = fanout.start({ onPublications: () => {}, onReset: () => {} });
    await clock.pass(2_000);
    await started;
    fanouts.push(fanout);
  }
  const waits: number[][] = fanouts.map(() => []);
  const end = clock.now + SECONDS * 1000;
  while (clock.now < end) {
    fanouts.forEach((fanout, i) => {
      const at = clock.now;
      const stored = () => void waits[i]!.push(clock.now - at);
      fanout.publish([{ deviceId: `w${i}`, payload: String(at) }]).then(stored, stored);
    });
    await clock.pass(EVERY_MS);
  }
  const closing = Promise.all(fanouts.map((fanout) => fanout[Symbol.asyncDispose]()));
  await clock.pass(60_000);
  await closing;
  return waits;
}

const worst = (waits: readonly number[][]) => Math.max(...waits.map((each) => Math.max(...each)));

const near = { readMs: 2, commitMs: 4 };
const far = { readMs: 3, commitMs: 6 };
const veryFar = { readMs: 20, commitMs: 40 };

for (
  const [who, distances, maxMs] of [
    ["four with equal latency", [near, near, near, near], 150],
    ["one of four with higher latency", [near, near, near, far], 150],
    ["one of two with higher latency", [near, far], 150],
    ["one with ten times the latency", [near, near, veryFar], 600],
  ] as const
) {
  Deno.test(`KvFanout: no writer is starved: ${who}`, async () => {
    const waits = await race([...distances]);
    waits.forEach((each, i) => {
      assert.ok(each.length >= SECONDS * 1000 / EVERY_MS, `writer ${i}: ${each.length} stored`);
    });
    assert.ok(worst(waits) < maxMs, `a message waited ${worst(waits)} ms`);
  });
}

Deno.test("KvFanout: a single writer does not wait for others", async () => {
  const waits = await race([near]);
  // The previous commit, and its own.
  assert.ok(worst(waits) <= 4 + 4 + EVERY_MS, `a message waited ${worst(waits)} ms`);
});
