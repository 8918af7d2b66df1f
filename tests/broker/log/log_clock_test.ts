import assert from "node:assert/strict";
import { KvFanout } from "../../../broker/log/kv_fanout.ts";
import { MemoryKv } from "../../../broker/store/memory_kv.ts";
import { DistantKv } from "../../kit/servers/distant_kv.ts";
import { FakeClock } from "../../kit/fake_clock.ts";

const DISTANCES = { readMs: 5, commitMs: 40 };
const PAUSE_MS = 10;
const RETENTION_MS = 2_000;
const SECONDS = 30;

for (const writers of [1, 3]) {
  Deno.test(`KvFanout: the log's clock keeps real time while ${writers} write without a pause`, async () => {
    const [store, clock] = [new MemoryKv(), new FakeClock()];
    const fanouts: KvFanout[] = [];
    for (let i = 0; i < writers; i++) {
      const fanout = new KvFanout(new DistantKv(store, clock, DISTANCES), {
        retentionMs: RETENTION_MS,
        recentMaxBytes: 1_000_000,
        clock,
      });
      const started = fanout.start({ onPublications: () => {}, onReset: () => {} });
      await clock.pass(1_000);
      await started;
      fanouts.push(fanout);
    }
    const begun = clock.now;
    const published: { offset: number; at: number }[] = [];
    for (let n = 0; clock.now - begun < SECONDS * 1000; n++) {
      const fanout = fanouts[n % writers]!;
      // The last ones are still in flight at the end.
      fanout.publish([{ deviceId: "a", payload: String(n) }]).catch(() => {});
      await clock.pass(PAUSE_MS);
      published.push({ offset: fanout.log.position, at: clock.now });
    }
    // Messages much older than the retention are gone, and younger ones are kept.
    const floor = fanouts[0]!.floor;
    const { at } = published.find(({ offset }) => offset >= floor)!;
    const kept = clock.now - at;
    assert.ok(kept >= RETENTION_MS - 200, `only ${kept} ms are kept`);
    assert.ok(kept < RETENTION_MS * 2.5, `${kept} ms are kept`);
    const closing = Promise.all(fanouts.map((fanout) => fanout[Symbol.asyncDispose]()));
    await clock.pass(60_000);
    await closing;
  });
}
