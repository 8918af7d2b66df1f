/** A token revoked on one instance is revoked on another: two processes with one store. */

import assert from "node:assert/strict";
import { TempDir } from "../kit/temp_dir.ts";
import { Telecast } from "../kit/servers/telecast.ts";
import { WsClient } from "../kit/clients/ws_client.ts";
import { bearer, posted, SECRET, sign } from "../routes/signed.ts";

Deno.test("a token that one instance revokes ends streams of another, and is refused there", async () => {
  await using dir = await TempDir.create("revocation-");
  const env = { AUTH_JWT_SECRET: SECRET };
  await using here = await Telecast.start({ cwd: dir.path, env });
  await using there = await Telecast.start({ cwd: dir.path, env });
  const text = await sign({ scope: "stream", device_ids: ["A"], jti: "t1" });
  await using client = await WsClient.open(there.wsUrl(`device_ids=A&access_token=${text}`));
  const admin = await sign({ scope: "admin" });
  const response = await fetch(`${here.url}/api/v1/tokens/revoke`, posted({ jti: "t1" }, admin));
  assert.equal(response.status, 200, await response.text());
  assert.match((await client.waitForEvent("goodbye")).data, /"token_revoked"/);
  const again = await fetch(`${there.url}/api/v1/devices`, bearer(text));
  assert.equal((await again.json()).code, "token_revoked");
  // The revocation survives the end of both processes.
  await here.kill();
  await there.restart();
  const later = await fetch(`${there.url}/api/v1/devices`, bearer(text));
  assert.equal((await later.json()).code, "token_revoked");
  assert.ok(!(here.output + there.output).includes(text));
});
