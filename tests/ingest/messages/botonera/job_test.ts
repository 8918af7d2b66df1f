import assert from "node:assert/strict";
import { DenoKv } from "../../../../broker/store/deno_kv.ts";
import { KvFanout } from "../../../../broker/log/kv_fanout.ts";
import { botoneraJob } from "../../../../ingest/messages/botonera/job.ts";
import { within } from "../../../kit/eventually.ts";

Deno.test("a job contains the message as sent, and fits into the store at any size", async () => {
  await using kv = await opened();
  // Serialized again, these numbers would take 260 KB; a stored value is limited to 64 KB.
  const numbers = `[${"1e20,".repeat(11_900)}1]`;
  const payload = `{"tipo_mensaje":"configuracion","parametros":{"n":${numbers}}}`;
  const message = { deviceId: "empresas", payload };
  const job = botoneraJob(message, { type: "configuracion", company: undefined, notifies: false });
  assert.deepEqual([job.partition, job.company], ["empresas", undefined]);
  assert.ok(job.body.includes(payload));
  const fanout = new KvFanout(kv.client, { retentionMs: 60_000, recentMaxBytes: 1e6 });
  await fanout.start({ onPublications: () => {}, onReset: () => {} });
  await within("the append", fanout.publish([{ ...message, job }]));
  await fanout[Symbol.asyncDispose]();
});

async function opened() {
  const folder = await Deno.makeTempDir();
  const kv = await Deno.openKv(`${folder}/kv.sqlite`);
  return {
    client: new DenoKv(() => Promise.resolve(kv), { limitMs: 5_000 }),
    async [Symbol.asyncDispose]() {
      kv.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
}
