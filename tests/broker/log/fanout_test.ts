import { KvFanout } from "../../../broker/log/kv_fanout.ts";
import { DenoKv } from "../../../broker/store/deno_kv.ts";
import { MemoryFanout } from "../../../broker/log/memory_fanout.ts";
import { durableFanoutSuite, fanoutSuite } from "../../suites/fanout_suite.ts";

const DEFAULTS = { retentionMs: 60_000, recentMaxBytes: 4_000_000 };

fanoutSuite("MemoryFanout", () =>
  Promise.resolve({
    durable: false,
    open: (options) => Promise.resolve(new MemoryFanout({ ...DEFAULTS, ...options })),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }));

durableFanoutSuite("KvFanout on SQLite", async () => {
  const folder = await Deno.makeTempDir();
  const kv = await Deno.openKv(`${folder}/kv.sqlite`);
  return {
    durable: true,
    open: (options) =>
      Promise.resolve(
        new KvFanout(new DenoKv(() => Promise.resolve(kv), { limitMs: 5000 }), {
          ...DEFAULTS,
          flushMs: 50,
          ...options,
        }),
      ),
    [Symbol.asyncDispose]: async () => {
      kv.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
});
