/** Revoked tokens. */

import assert from "node:assert/strict";
import { MemoryKv } from "../../../broker/store/memory_kv.ts";
import { Revocations } from "../../../broker/cluster/revocations.ts";
import { eventually } from "../../kit/eventually.ts";
import { WsClient } from "../../kit/clients/ws_client.ts";
import { Rig } from "../rig.ts";
import { bearer, posted, seconds, SECRET, sign } from "../signed.ts";

const env = { AUTH_JWT_SECRET: SECRET };
const REVOKE = "/api/v1/tokens/revoke";
const admin = () => sign({ scope: "admin", sub: "operator", jti: "admin" });
const held = (jti: string, sub = "somebody", iat = seconds(-5)) =>
  sign({ scope: "stream publish", device_ids: ["A"], jti, sub, iat });

for (const transport of ["ws", "sse"] as const) {
  Deno.test(`${transport}: a stream ends with goodbye within two seconds after its token is revoked, on every instance`, async () => {
    const kv = new MemoryKv();
    const [here, there] = [new Revocations(kv), new Revocations(kv)];
    await here.start();
    await there.start();
    try {
      await using one = await Rig.start({ env, revocations: here });
      await using two = await Rig.start({ env, revocations: there });
      const text = await held("t1");
      await using mine = await one.open(transport, `device_ids=A&access_token=${text}`);
      await using theirs = await two.open(transport, `device_ids=A&access_token=${text}`);
      await using other = await two.open(
        transport,
        `device_ids=A&access_token=${await held("t2")}`,
      );
      const response = await one.fetch(REVOKE, posted({ jti: "t1" }, await admin()));
      const { jti, revoked_at, expires_at } = await response.json();
      assert.deepEqual([response.status, jti], [200, "t1"]);
      assert.ok(expires_at - revoked_at >= 30 * 86_400 - 1);
      const told = performance.now();
      for (const client of [mine, theirs]) {
        const { data } = await client.waitForEvent("goodbye");
        assert.equal(data, '{"reason":"token_revoked","reconnect_ms":0}');
      }
      // Usually half a second; the limit allows for a busy machine.
      assert.ok(performance.now() - told < 10_000);
      await eventually("they are gone", () => two.hub.sessions.size === 1);
      for (const rig of [one, two]) {
        const again = await rig.fetch("/api/v1/stream", bearer(text));
        assert.deepEqual([again.status, (await again.json()).code], [401, "token_revoked"]);
      }
      two.publish("A", 1);
      await other.waitForMessages(1);
    } finally {
      await here[Symbol.asyncDispose]();
      await there[Symbol.asyncDispose]();
    }
  });
}

Deno.test("a subject's tokens end, its new ones are valid; /ws ends too", async () => {
  await using rig = await Rig.start({ env });
  const old = [
    await held("t1"),
    await held("t2"),
    await sign({ scope: "stream publish", sub: "somebody" }),
  ];
  const other = await held("t3", "somebody else");
  await using peer = await WsClient.open(
    `${rig.url.replace("http", "ws")}/ws?access_token=${old[0]}`,
  );
  await using stream = await rig.sse(`device_ids=A&access_token=${old[1]}`);
  await using _other = await rig.sse(`device_ids=A&access_token=${other}`);
  const response = await rig.fetch(REVOKE, posted({ sub: "somebody" }, await admin()));
  assert.equal(response.status, 200, await response.text());
  assert.match((await stream.waitForEvent("goodbye")).data, /token_revoked/);
  assert.equal((await peer.waitForClose()).code, 1001);
  assert.match(peer.frames.items.at(-1)!, /token_revoked/);
  for (const text of old) {
    const again = await rig.fetch("/api/v1/stream/stats", bearer(text));
    assert.equal((await again.json()).code, "token_revoked");
  }
  const fresh = await held("t4", "somebody", seconds(2));
  for (const text of [fresh, other]) {
    const good = await rig.fetch("/api/v1/stream/stats", bearer(text));
    await good.body?.cancel();
    assert.equal(good.status, 200);
  }
  const { revoked } = await rig.json("/api/v1/tokens/revoked", bearer(await admin()));
  assert.deepEqual(revoked.map(({ sub }: { sub: string }) => sub), ["somebody"]);
});

Deno.test("a revocation must be exact, and requested by an admin", async () => {
  await using rig = await Rig.start({ env });
  const bad: readonly unknown[] = [
    {},
    null,
    { jti: "a", sub: "b" },
    { jti: "" },
    { jti: 5 },
    { jti: "a", expires_at: seconds(-10) },
    { jti: "a", expires_at: seconds(400 * 86_400) },
    { jti: "a", expires_at: "soon" },
    { jti: "a", token: "x" },
    { jti: "x".repeat(1025) },
  ];
  for (const body of bad) {
    const response = await rig.fetch(REVOKE, posted(body, await admin()));
    assert.deepEqual(
      [response.status, (await response.json()).code],
      [400, "bad_body"],
      JSON.stringify(body),
    );
  }
  for (const scope of ["stream", "publish", ""]) {
    const response = await rig.fetch(REVOKE, posted({ jti: "a" }, await sign({ scope })));
    assert.deepEqual([response.status, (await response.json()).code], [403, "scope_required"]);
  }
  assert.equal(rig.revocations.all.length, 0);
  const exp = seconds(100);
  const response = await rig.fetch(REVOKE, posted({ jti: "a", expires_at: exp }, await admin()));
  assert.equal((await response.json()).expires_at, exp);
});
