import assert from "node:assert/strict";
import { Inbox } from "../../../broker/deliveries/inbox.ts";
import { INBOUND_PREFIX } from "../../../broker/store/kv_keys.ts";
import { DenoKv } from "../../../broker/store/deno_kv.ts";
import { MemoryKv } from "../../../broker/store/memory_kv.ts";
import { FakeClock } from "../../kit/fake_clock.ts";
import { inboxSuite } from "../../suites/inbox_suite.ts";

inboxSuite("Inbox in memory", () => {
  const kv = new MemoryKv();
  return Promise.resolve({ client: () => kv, [Symbol.asyncDispose]: () => Promise.resolve() });
});

inboxSuite("Inbox on SQLite", async () => {
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

const never = new AbortController().signal;

Deno.test("Inbox forgets senders after a week of silence; their order continues", async () => {
  const kv = new MemoryKv();
  const clock = new FakeClock();
  clock.now = 1_700_000_000_000;
  await using inbox = new Inbox(kv, { clock });
  const send = (id: string, sender: string) => inbox.store({ id, sender, body: "{}" }, never);
  const known = async () => (await kv.list({ prefix: INBOUND_PREFIX }, { limit: 10 })).length;
  await send("a", "1");
  await send("b", "2");
  await clock.pass(6 * 86_400_000);
  await send("c", "2");
  await clock.pass(2 * 86_400_000);
  await send("d", "3");
  await clock.pass(0);
  assert.equal(await known(), 2, "the first is forgotten");
  await send("e", "1");
  const offsets = (await kv.list({ prefix: ["delivery"] }, { limit: 10 }))
    .filter(({ key }) => key[0] === "delivery").map(({ key }) => key);
  assert.equal(offsets.length, 5);
});

Deno.test("Inbox.store() rejects if the caller gives up, or the inbox closes, before the message is stored", async () => {
  const kv = new MemoryKv();
  const commit = kv.commit.bind(kv);
  let away = true;
  kv.commit = (change) => away ? Promise.reject(new Error("away")) : commit(change);
  const inbox = new Inbox(kv);
  const gone = new AbortController();
  const first = inbox.store({ id: "a", sender: "1", body: "{}" }, gone.signal);
  const second = inbox.store({ id: "b", sender: "1", body: "{}" }, never);
  gone.abort(new Error("gone"));
  await assert.rejects(first, /gone/);
  away = false;
  assert.equal(await second, "queued");
  away = true;
  const third = inbox.store({ id: "c", sender: "1", body: "{}" }, never);
  await Promise.all([assert.rejects(third, /closed/), inbox[Symbol.asyncDispose]()]);
  await assert.rejects(inbox.store({ id: "d", sender: "1", body: "{}" }, never), /closed/);
});
