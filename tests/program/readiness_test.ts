/** What /readyz reports about the program as a whole. */

import assert from "node:assert/strict";
import { eventually } from "../kit/eventually.ts";
import { freePort } from "../kit/ports.ts";
import { TestProcess } from "../kit/servers/process.ts";
import { startFlags, Telecast } from "../kit/servers/telecast.ts";

const PATIENT = { timeoutMs: 30_000, intervalMs: 20 };
const MAIN = new URL("../../main.ts", import.meta.url).pathname;

Deno.test("readyz stays degraded, with the reason, during every attempt to reach a broker that is down", async () => {
  await using telecast = await Telecast.start({
    env: {
      DENO_KV_URL: "memory:",
      KAFKA_BOOTSTRAP_SERVERS: `127.0.0.1:${freePort()}`,
      KAFKA_TOPIC: "t",
    },
  });
  const ready = () => telecast.json("/readyz");
  await eventually("degraded", async () => (await ready()).status === "degraded", PATIENT);
  let wasOk = false;
  await eventually("another attempt is in progress", async () => {
    const { sources } = await telecast.json("/api/v1/stats");
    const { status, reasons = [] } = await ready();
    wasOk ||= status !== "degraded" || !/^kafka: /.test(reasons.join());
    return wasOk || sources[0].state === "connecting";
  }, PATIENT);
  assert.ok(!wasOk, "it was ok in between");
});

Deno.test("readyz reports what the start waits for, and livez that the process is ok", async () => {
  const port = freePort();
  await using process = TestProcess.start(Deno.execPath(), {
    args: ["run", "--no-prompt", ...await startFlags(), MAIN],
    env: {
      PORT: String(port),
      DENO_KV_URL: `http://127.0.0.1:${freePort()}`,
      DENO_KV_ACCESS_TOKEN: "a token of the test",
    },
  });
  await process.waitForOutput("listening on");
  await eventually("a reason", async () => {
    const response = await fetch(`http://127.0.0.1:${port}/readyz`);
    const { status, reasons } = await response.json();
    assert.deepEqual([response.status, status], [503, "starting"]);
    return /^store: /.test(reasons?.join());
  }, PATIENT);
  const live = await fetch(`http://127.0.0.1:${port}/livez`);
  assert.deepEqual([live.status, await live.json()], [200, { status: "ok" }]);
});
