import assert from "node:assert/strict";
import type { KvClient } from "../../../broker/store/kv_client.ts";
import { REVOKED_PREFIX } from "../../../broker/store/kv_keys.ts";
import { MemoryKv } from "../../../broker/store/memory_kv.ts";
import { Revocations } from "../../../broker/cluster/revocations.ts";
import { eventually } from "../../kit/eventually.ts";

const LATER = Date.now() + 1_000_000;
const token = (tokenId?: string, subject?: string, issuedAt?: number) => ({
  tokenId,
  subject,
  issuedAt,
});

async function two(kv: KvClient = new MemoryKv()) {
  const [here, there] = [new Revocations(kv), new Revocations(kv)];
  await here.start();
  await there.start();
  return {
    here,
    there,
    kv,
    async [Symbol.asyncDispose]() {
      await here[Symbol.asyncDispose]();
      await there[Symbol.asyncDispose]();
    },
  };
}

Deno.test("Revocations: a token id is revoked here at once, and on other instances soon", async () => {
  await using both = await two();
  const { here, there } = both;
  let told = 0;
  there.onChange(() => told++);
  await here.revoke({ kind: "jti", id: "t1", until: LATER });
  assert.ok(here.isRevoked(token("t1")));
  await eventually("the other instance knows", () => there.isRevoked(token("t1", "s")));
  assert.ok(told > 0);
  for (const other of [token("t2"), token(undefined, "t1"), token()]) {
    assert.equal(here.isRevoked(other) || there.isRevoked(other), false);
  }
  const late = new Revocations(both.kv);
  await late.start();
  assert.ok(late.isRevoked(token("t1")), "an instance that starts later knows too");
  await late[Symbol.asyncDispose]();
});

Deno.test("Revocations: a subject's tokens issued until then are revoked, later ones are not", async () => {
  await using both = await two();
  const { at } = await both.here.revoke({ kind: "sub", id: "s", until: LATER });
  assert.ok(both.here.isRevoked(token("any", "s", at - 1)));
  assert.ok(both.here.isRevoked(token(undefined, "s")), "a token without its time of issue");
  assert.equal(both.here.isRevoked(token("any", "s", at + 1000)), false);
  assert.equal(both.here.isRevoked(token("s", "other", at - 1)), false);
});

Deno.test("Revocations: expired ones are forgotten, and deleted from the store", async () => {
  await using both = await two();
  await both.here.revoke({ kind: "jti", id: "brief", until: Date.now() + 50 });
  await both.here.revoke({ kind: "jti", id: "long", until: LATER });
  await eventually("it is forgotten", () => !both.here.isRevoked(token("brief")));
  assert.deepEqual(both.here.all.map(({ id }) => id), ["long"]);
  await both.there.revoke({ kind: "jti", id: "more", until: LATER });
  await eventually("it is deleted", async () => {
    return (await both.kv.list({ prefix: REVOKED_PREFIX }, { limit: 10 })).length === 2;
  });
});

Deno.test("Revocations: while the store is unavailable, known ones stay and new ones are refused", async () => {
  const store = new MemoryKv();
  let away = false;
  const kv: KvClient = {
    get: (key) => away ? Promise.reject(new Error("away")) : store.get(key),
    list: (...args) => away ? Promise.reject(new Error("away")) : store.list(...args),
    commit: (commit) => away ? Promise.reject(new Error("away")) : store.commit(commit),
    watch: (...args) => store.watch(...args),
    close: () => {},
  };
  await using both = await two(kv);
  await both.here.revoke({ kind: "jti", id: "t1", until: LATER });
  await eventually("the other instance knows", () => both.there.isRevoked(token("t1")));
  away = true;
  await assert.rejects(both.here.revoke({ kind: "jti", id: "t2", until: LATER }));
  assert.ok(both.there.isRevoked(token("t1")));
  assert.equal(both.here.isRevoked(token("t2")), false, "not stored, so not revoked");
  away = false;
  await both.here.revoke({ kind: "jti", id: "t2", until: LATER });
  await eventually("the store is back", () => both.there.isRevoked(token("t2")));
});

Deno.test("Revocations: ids of any length and of any characters", async () => {
  await using both = await two();
  const ids = ["x".repeat(1024), "a b/c\0", "ñ", "jti"];
  for (const id of ids) {
    await both.here.revoke({ kind: "jti", id, until: LATER });
  }
  await eventually("the other knows", () => ids.every((id) => both.there.isRevoked(token(id))));
});

Deno.test("Revocations: a listener that throws does not keep others from being called", async () => {
  await using both = await two();
  const told = new Set<Revocations>();
  for (const one of [both.here, both.there]) {
    one.onChange(() => {
      throw new TypeError("failed on purpose");
    });
    one.onChange(() => told.add(one));
  }
  await both.here.revoke({ kind: "jti", id: "t1", until: LATER });
  assert.ok(told.has(both.here));
  await eventually("the other instance calls its listener", () => told.has(both.there));
});
