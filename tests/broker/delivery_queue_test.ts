import { DenoKv } from "../../broker/deno_kv.ts";
import { MemoryKv } from "../../broker/memory_kv.ts";
import { deliverySuite } from "../suites/delivery_suite.ts";

deliverySuite("DeliveryQueue in memory", () => {
  const kv = new MemoryKv();
  return Promise.resolve({ client: () => kv, [Symbol.asyncDispose]: () => Promise.resolve() });
});

deliverySuite("DeliveryQueue on SQLite", async () => {
  const folder = await Deno.makeTempDir();
  const kv = await Deno.openKv(`${folder}/kv.sqlite`);
  return {
    client: () => new DenoKv(() => Promise.resolve(kv), { limitMs: 5000 }),
    [Symbol.asyncDispose]: async () => {
      kv.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
});
