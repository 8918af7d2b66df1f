/** The log of the whole program. */

import assert from "node:assert/strict";
import { eventually } from "../kit/eventually.ts";
import { Telecast } from "../kit/servers/telecast.ts";

Deno.test("many clients do not fill the log: lines held back are counted, at the latest at the end", async () => {
  await using telecast = await Telecast.start({ env: { DENO_KV_URL: "memory:" } });
  const clients = 300;
  for (let n = 0; n < clients; n++) {
    const response = await fetch(telecast.sseUrl(`device_ids=A&access_token=a-secret-${n}`));
    await response.body?.cancel();
  }
  const { process } = telecast;
  await eventually("all are gone", async () => {
    return (await telecast.json("/api/v1/stream/stats")).active_subscribers === 0;
  });
  await telecast.kill();
  const lines = process.output.split("\n");
  const connected = lines.filter((line) => line.includes("sse client connected"));
  const held = lines.flatMap((line) =>
    /(\d+) more like: \{transport\} client connected/.exec(line)?.[1] ?? []
  );
  const heldBack = held.reduce((sum, count) => sum + Number(count), 0);
  assert.equal(connected.length + heldBack, clients);
  assert.ok(heldBack > 0, "some were held back");
  assert.ok(!process.output.includes("a-secret"));
});
