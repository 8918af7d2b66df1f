import assert from "node:assert/strict";
import { DenoKv } from "../../../broker/store/deno_kv.ts";
import type { KvClient, KvCommit } from "../../../broker/store/kv_client.ts";
import { KvBuffer } from "../../../ingest/aws_iot/kv_buffer.ts";
import { MemoryBuffer } from "../../../ingest/aws_iot/memory_buffer.ts";
import { bufferSuite, contents, message } from "./buffer_suite.ts";
import { ManualClock } from "./manual_clock.ts";

bufferSuite("MemoryBuffer", () =>
  Promise.resolve({
    open: (options) => new MemoryBuffer(options),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }));

bufferSuite("KvBuffer", async () => {
  const store = await openStore();
  return {
    open: (options) => new KvBuffer(store.kv, options),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
});

async function openStore() {
  const folder = await Deno.makeTempDir();
  const native = await Deno.openKv(`${folder}/kv.sqlite`);
  return {
    kv: new DenoKv(() => Promise.resolve(native), { limitMs: 5_000 }),
    [Symbol.asyncDispose]: async () => {
      native.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

Deno.test("KvBuffer reads the messages of an earlier process and appends after them", async () => {
  await using store = await openStore();
  const clock = new ManualClock();
  await new KvBuffer(store.kv, { clock }).append(["a", "b"].map((one) => message(one, clock)));
  const next = new KvBuffer(store.kv, { clock });
  await next.append([message("c", clock)]);
  assert.deepEqual(await contents(next), ["a", "b", "c"]);
  assert.equal(next.size, 3);
});

Deno.test("KvBuffer keeps the messages of several writers in order and once", async () => {
  await using store = await openStore();
  const clock = new ManualClock();
  const writers = ["x", "y", "z"].map((name) => ({
    name,
    buffer: new KvBuffer(store.kv, { clock }),
  }));
  await Promise.all(writers.map(async ({ name, buffer }) => {
    for (let i = 10; i < 40; i++) await buffer.append([message(`${name}${i}`, clock)]);
  }));
  const all = await contents(writers[0]!.buffer);
  assert.equal(all.length, 90);
  for (const { name } of writers) {
    const own = all.filter((id) => id.startsWith(name));
    assert.equal(own.length, 30);
    assert.deepEqual(own, own.toSorted());
  }
});

/** Wraps the store so that answers to some commits are lost or wrong. */
function losing(kv: KvClient, fate: (commit: number) => "lost" | "false" | undefined): KvClient {
  let commits = 0;
  return {
    get: (key) => kv.get(key),
    list: (range, options) => kv.list(range, options),
    watch: (keys, signal) => kv.watch(keys, signal),
    close: () => kv.close(),
    async commit(commit: KvCommit) {
      const result = await kv.commit(commit);
      const answer = fate(commits++);
      if (answer === "lost") throw new Error("the answer was lost");
      return answer === "false" ? { ok: false } : result;
    },
  };
}

for (const answer of ["lost", "false"] as const) {
  for (const other of [false, true]) {
    const between = other ? " and another instance wrote in between" : "";
    Deno.test(`KvBuffer stores a message once if its answer is ${answer}${between}`, async () => {
      await using store = await openStore();
      const clock = new ManualClock();
      const rival = new KvBuffer(store.kv, { clock });
      const lossy = losing(store.kv, (commit) => {
        if (commit !== 1) return undefined;
        return answer;
      });
      const kv: KvClient = {
        ...lossy,
        async commit(commit) {
          try {
            return await lossy.commit(commit);
          } finally {
            if (other) await rival.append([message(`rival-${crypto.randomUUID()}`, clock)]);
          }
        },
      };
      const buffer = new KvBuffer(kv, { clock });
      const places = [];
      for (const name of ["a", "b", "c"]) {
        places.push(...await buffer.append([message(name, clock)]));
      }
      const all = await contents(rival);
      assert.deepEqual(all.filter((id) => !id.startsWith("rival")), ["a", "b", "c"]);
      await buffer.remove(places);
      assert.deepEqual((await contents(rival)).filter((id) => !id.startsWith("rival")), []);
    });
  }
}

Deno.test("KvBuffer refuses a message that the store cannot hold, and keeps others", async () => {
  await using store = await openStore();
  const clock = new ManualClock();
  const buffer = new KvBuffer(store.kv, { clock });
  const random = () => String.fromCharCode(...crypto.getRandomValues(new Uint8Array(45_000)));
  const noise = btoa(random() + random());
  await assert.rejects(buffer.append([message("noise", clock, noise)]), /does not fit/);
  await buffer.append([message("a", clock)]);
  assert.deepEqual(await contents(buffer), ["a"]);
});
