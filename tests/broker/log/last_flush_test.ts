import assert from "node:assert/strict";
import type { KvCommit } from "../../../broker/store/kv_client.ts";
import { KvFanout } from "../../../broker/log/kv_fanout.ts";
import { LAST_PREFIX } from "../../../broker/store/kv_keys.ts";
import { MemoryKv } from "../../../broker/store/memory_kv.ts";
import { eventually } from "../../kit/eventually.ts";

/** Counts the last messages of devices that are written. */
class CountingKv extends MemoryKv {
  lasts = 0;

  override commit(commit: KvCommit) {
    this.lasts += commit.sets.filter(({ key }) => key[0] === LAST_PREFIX[0]).length;
    return super.commit(commit);
  }
}

async function open(flushMs: number) {
  const kv = new CountingKv();
  const fanout = new KvFanout(kv, { retentionMs: 3_600_000, recentMaxBytes: 64_000_000, flushMs });
  await fanout.start({ onPublications: () => {}, onReset: () => {} });
  const publish = (devices: number) =>
    fanout.publish(
      Array.from({ length: devices }, (_, i) => ({ deviceId: `d${i}`, payload: "{}" })),
    );
  return { kv, fanout, publish };
}

Deno.test("KvFanout writes the last messages of a few devices soon", async () => {
  const { kv, fanout, publish } = await open(5);
  await using _ = fanout;
  await publish(20);
  await eventually("they are written", () => kv.lasts === 20);
});

Deno.test("KvFanout writes the last messages of many devices rarely, and all of them when it closes", async () => {
  const { kv, fanout, publish } = await open(1);
  await publish(20_000);
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal(kv.lasts, 0, "20 s have not passed");
  await fanout[Symbol.asyncDispose]();
  assert.equal(kv.lasts, 20_000);
});
