import assert from "node:assert/strict";
import { openRemoteKv } from "../../../broker/store/remote_kv.ts";
import { DenoKv } from "../../kit/servers/denokv.ts";
import { TcpProxy } from "../../kit/servers/tcp_proxy.ts";

// An uncaught rejection would fail this test, as it would end the program.
Deno.test("openRemoteKv(): a watch that broke off does not end the process when the store is closed", async () => {
  await using server = await DenoKv.start();
  await using proxy = await TcpProxy.start(server.port);
  const kv = await openRemoteKv(`http://127.0.0.1:${proxy.port}`, server.accessToken);
  const reader = kv.watch([["x"]], { raw: true }).getReader();
  assert.equal((await reader.read()).done, false);
  const broken = assert.rejects(reader.read());
  proxy.reset();
  await broken;
  kv.close();
  await new Promise((resolve) => setTimeout(resolve, 50));
});
