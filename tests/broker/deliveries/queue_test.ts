import { DenoKv } from "../../../broker/store/deno_kv.ts";
import { MemoryKv } from "../../../broker/store/memory_kv.ts";
import { type DeliveryKit, deliverySuite } from "../../suites/delivery_suite.ts";
import { poisonSuite } from "../../suites/poison_suite.ts";

function inMemory(): Promise<DeliveryKit> {
  const kv = new MemoryKv();
  return Promise.resolve({ client: () => kv, [Symbol.asyncDispose]: () => Promise.resolve() });
}

async function onSqlite(): Promise<DeliveryKit> {
  const folder = await Deno.makeTempDir();
  const kv = await Deno.openKv(`${folder}/kv.sqlite`);
  return {
    client: () => new DenoKv(() => Promise.resolve(kv), { limitMs: 5000 }),
    [Symbol.asyncDispose]: async () => {
      kv.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

deliverySuite("DeliveryQueue in memory", inMemory);
poisonSuite("DeliveryQueue in memory", inMemory, { stalls: true });
deliverySuite("DeliveryQueue on SQLite", onSqlite);
poisonSuite("DeliveryQueue on SQLite", onSqlite);
