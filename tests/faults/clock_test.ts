/** The machine's clock jumps, as when it is set late, by hand, or by a bad time server. */

import assert from "node:assert/strict";
import { eventually } from "../kit/eventually.ts";
import { Fleet, pause } from "../kit/fleet.ts";
import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { say } from "../kit/say.ts";
import { Telecast } from "../kit/servers/telecast.ts";
import { TempDir } from "../kit/temp_dir.ts";

const FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
const JUMPS = ["+2h", "-3h", "+400d", "+0"];
const CALM_MS = 2_000;

Deno.test("the clock jumps by hours and by a year, both ways: nothing is lost or expires early, and cursors stay valid", async () => {
  await Deno.stat(FAKETIME).catch(() => {
    throw new Error("libfaketime is not installed. Run: bash tests/integration/install.sh");
  });
  await using dir = await TempDir.create();
  const clock = await dir.write("clock", "+0\n");
  await using broker = await Mosquitto.start();
  await using telecast = await Telecast.start({
    env: {
      BROKER_HOST: broker.url,
      LOG_FORMAT: "text",
      LD_PRELOAD: FAKETIME,
      FAKETIME_TIMESTAMP_FILE: clock,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_RESET: "1",
      // The monotonic clock does not jump with the wall clock.
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    },
  });
  await telecast.waitForSource();
  await using fleet = await Fleet.under(broker, telecast, { size: 20, perSecond: 200 });
  for (const jump of JUMPS) {
    await pause(CALM_MS);
    await Deno.writeTextFile(clock, `${jump}\n`);
    const back = await fleet.untilFlow();
    // Cursors from before the jump.
    const before = fleet.resumed["full"] ?? 0;
    await Promise.all(fleet.clients.map((client) => client.drop()));
    await eventually(
      "clients back",
      () => (fleet.resumed["full"] ?? 0) >= before + fleet.clients.length,
      { timeoutMs: 30_000 },
    );
    say(`the clock is at ${jump}: messages flow after ${Math.round(back)} ms`);
  }
  await fleet.halt();
  await fleet.assertFlawless();
  say(fleet.summary());
  // The log shows the faked year, so the jump reached the program.
  const years = new Set(telecast.output.match(/^\d{4}(?=-\d\d-\d\dT)/gm));
  assert.ok(years.size >= 2, [...years].join());
  assert.doesNotMatch(telecast.output, /the ingest lease is lost/);
});
