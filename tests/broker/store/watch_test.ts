import assert from "node:assert/strict";
import type { KvKey } from "../../../broker/store/kv_client.ts";
import { KvFanout } from "../../../broker/log/kv_fanout.ts";
import { MemoryKv } from "../../../broker/store/memory_kv.ts";
import { FakeClock } from "../../kit/fake_clock.ts";

const POLL_MS = 50;

class WatchedKv extends MemoryKv {
  watches = 0;

  override watch(keys: readonly KvKey[], signal: AbortSignal) {
    this.watches++;
    return super.watch(keys, signal);
  }
}

async function open(store: MemoryKv, clock: FakeClock, onDisk: boolean) {
  const seen: string[] = [];
  const fanout = new KvFanout(store, {
    ...{ retentionMs: 60_000, recentMaxBytes: 1_000_000, pollMs: POLL_MS, clock, onDisk },
  });
  const started = fanout.start({
    onPublications: (batch) => seen.push(...batch.map(({ payload }) => payload)),
    onReset: () => {},
  });
  await clock.pass(1);
  await started;
  const publish = async (payload: string) => {
    const stored = fanout.publish([{ deviceId: "v", payload }]);
    await clock.pass(0);
    await stored;
  };
  const close = async () => {
    const closing = fanout[Symbol.asyncDispose]();
    await clock.pass(1);
    await closing;
  };
  return { seen, publish, close };
}

Deno.test("KvFanout: a file is not watched if no other instance writes to it", async () => {
  const [store, clock] = [new WatchedKv(), new FakeClock()];
  const alone = await open(store, clock, true);
  for (let i = 0; i < 20; i++) {
    await alone.publish(`${i}`);
    await clock.pass(POLL_MS);
  }
  assert.equal(alone.seen.length, 20);
  assert.equal(store.watches, 0);
  await alone.close();
});

Deno.test("KvFanout: another instance that writes to the file is detected by the poll, then by a watch", async () => {
  const [store, clock] = [new WatchedKv(), new FakeClock()];
  const [one, other] = [await open(store, clock, true), await open(store, clock, true)];
  await one.publish("a");
  assert.deepEqual(other.seen, []);
  await clock.pass(POLL_MS);
  assert.deepEqual(other.seen, ["a"]);
  assert.equal(store.watches, 1);
  await one.publish("b");
  assert.deepEqual(other.seen, ["a", "b"], "at once");
  await Promise.all([one.close(), other.close()]);
});

Deno.test("KvFanout: a server's store is watched from the start", async () => {
  const [store, clock] = [new WatchedKv(), new FakeClock()];
  const [one, other] = [await open(store, clock, false), await open(store, clock, false)];
  await one.publish("a");
  assert.deepEqual(other.seen, ["a"], "at once");
  await Promise.all([one.close(), other.close()]);
});
