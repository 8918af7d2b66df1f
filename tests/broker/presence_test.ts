import assert from "node:assert/strict";
import { Epoch, Publication } from "../../broker/message.ts";
import { MessageLog } from "../../broker/message_log.ts";
import { Presence } from "../../broker/presence.ts";

const EPOCH = Epoch.random();

function watched(staleMs: number) {
  const log = new MessageLog({ maxBytes: 100_000 });
  const changes: string[] = [];
  const clock = { ms: 5000 };
  const presence = new Presence(log, {
    staleMs,
    onChange: (deviceId, state) => changes.push(`${deviceId} ${state}`),
    now: () => clock.ms,
  });
  const append = (deviceId: string, time: number) =>
    log.append(new Publication(EPOCH, log.position + 1, deviceId, "{}", false, time));
  return { presence, changes, clock, append };
}

Deno.test("Presence: online with the first message, stale after silence, online again", () => {
  const { presence, changes, clock } = watched(10_000);
  assert.equal(presence.of("A"), "stale");
  presence.seen([{ deviceId: "A" }]);
  clock.ms += 6000;
  presence.seen([{ deviceId: "A" }]);
  presence.seen([{ deviceId: "B" }]);
  presence.sweep();
  clock.ms += 9999;
  presence.sweep();
  assert.deepEqual(changes, ["A online", "B online"]);
  assert.equal(presence.of("A"), "online");
  clock.ms += 1000;
  presence.sweep();
  presence.sweep();
  assert.deepEqual(changes, ["A online", "B online", "A stale", "B stale"]);
  assert.equal(presence.of("A"), "stale");
  presence.seen([{ deviceId: "A" }]);
  assert.deepEqual(changes.slice(4), ["A online"]);
});

Deno.test("Presence: a writer's clock that is wrong makes no device stale", () => {
  const { presence, changes, clock, append } = watched(1000);
  for (let i = 0; i < 20; i++) {
    append("A", Date.now() - 3_600_000);
    presence.seen([{ deviceId: "A" }]);
    clock.ms += 600;
    presence.sweep();
  }
  assert.deepEqual(changes, ["A online"]);
});

Deno.test("Presence.start() takes those that were heard of lately, without telling", () => {
  const { presence, changes, clock, append } = watched(60_000);
  append("fresh", Date.now() - 30_000);
  append("old", Date.now() - 61_000);
  append("ahead", Date.now() + 3_600_000);
  presence.start();
  assert.deepEqual(["fresh", "old", "ahead"].map((id) => presence.of(id)), [
    "online",
    "stale",
    "online",
  ]);
  clock.ms += 40_000;
  presence.sweep();
  assert.deepEqual(changes, ["fresh stale"]);
  clock.ms += 21_000;
  presence.sweep();
  assert.deepEqual(changes, ["fresh stale", "ahead stale"]);
});

Deno.test("Presence.sweep() looks at all devices less often the longer STALE_SECONDS is", () => {
  const { presence, changes, clock } = watched(600_000);
  presence.seen([{ deviceId: "A" }]);
  clock.ms += 599_000;
  presence.sweep();
  clock.ms += 2_000;
  presence.sweep();
  assert.deepEqual(changes, ["A online"]);
  clock.ms += 8_000;
  presence.sweep();
  assert.deepEqual(changes, ["A online", "A stale"]);
});
