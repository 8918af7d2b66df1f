import assert from "node:assert/strict";
import { Epoch, Publication } from "../../../broker/messages/message.ts";
import { MessageLog } from "../../../broker/log/message_log.ts";
import { Presence } from "../../../broker/streams/presence.ts";

const EPOCH = Epoch.random();

function watched(staleMs: number) {
  const log = new MessageLog({ maxBytes: 100_000 });
  const changes: string[] = [];
  const clock = { ms: 5000 };
  const goOn: (() => void)[] = [];
  const presence = new Presence(log, {
    staleMs,
    onChange: (deviceIds, state) => changes.push(...deviceIds.map((id) => `${id} ${state}`)),
    now: () => clock.ms,
    pause: () => new Promise((resolve) => goOn.push(resolve)),
  });
  const append = (deviceId: string, time: number) =>
    log.append(new Publication(EPOCH, log.position + 1, deviceId, "{}", false, time));
  return { presence, changes, clock, append, goOn };
}

Deno.test("Presence: a device is online after its first message, stale after silence, then online again", () => {
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

Deno.test("Presence: a writer's wrong clock makes no device stale", () => {
  const { presence, changes, clock, append } = watched(1000);
  for (let i = 0; i < 20; i++) {
    append("A", Date.now() - 3_600_000);
    presence.seen([{ deviceId: "A" }]);
    clock.ms += 600;
    presence.sweep();
  }
  assert.deepEqual(changes, ["A online"]);
});

Deno.test("Presence.start() loads devices with recent messages, without reporting them", () => {
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

Deno.test("Presence.sweep() checks all devices less often the longer STALE_SECONDS is", () => {
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

Deno.test("Presence.sweep() checks 100,000 devices in steps, and reports some at a time", async () => {
  const log = new MessageLog({ maxBytes: 1000 });
  const told: number[] = [];
  const goOn: (() => void)[] = [];
  let ms = 0;
  const presence = new Presence(log, {
    staleMs: 60_000,
    onChange: (deviceIds, state) => void (state === "stale" && told.push(deviceIds.length)),
    now: () => ms,
    pause: () => new Promise((resolve) => goOn.push(resolve)),
  });
  const devices = Array.from({ length: 100_000 }, (_, i) => ({ deviceId: `d${i}` }));
  presence.seen(devices);
  const sweep = async () => {
    let steps = 1;
    presence.sweep();
    for (let next; (next = goOn.pop()); steps++) {
      next();
      await Promise.resolve();
      await Promise.resolve();
    }
    return steps;
  };
  ms = 30_000;
  assert.equal(await sweep(), 25);
  assert.deepEqual(told, []);
  ms = 50_000;
  presence.seen(devices.slice(0, 99_000));
  ms = 60_000;
  await sweep();
  assert.deepEqual([told.reduce((sum, count) => sum + count, 0), Math.max(...told)], [1_000, 64]);
});

Deno.test("Presence.sweep(): a device with a message during a sweep is not reported as stale", async () => {
  const { changes, clock, presence, goOn } = watched(1000);
  const devices = Array.from({ length: 200 }, (_, i) => ({ deviceId: `d${i}` }));
  presence.seen(devices);
  clock.ms += 1000;
  presence.sweep();
  presence.sweep();
  assert.equal(changes.filter((change) => change.endsWith("stale")).length, 64);
  presence.seen([{ deviceId: "d0" }, { deviceId: "d199" }]);
  while (goOn.length > 0) {
    goOn.pop()!();
    for (let i = 0; i < 5; i++) await Promise.resolve();
  }
  const of = (id: string) => changes.filter((change) => change.startsWith(`${id} `));
  assert.deepEqual(of("d0"), ["d0 online", "d0 stale", "d0 online"]);
  assert.deepEqual(of("d199"), ["d199 online"]);
  assert.deepEqual(of("d198"), ["d198 online", "d198 stale"]);
});

Deno.test("Presence.sweep() continues if its callback throws", () => {
  let told = 0;
  let ms = 0;
  const presence = new Presence(new MessageLog({ maxBytes: 1000 }), {
    staleMs: 1000,
    onChange: (_, state) => {
      if (state === "online") return;
      told++;
      throw new TypeError("failed on purpose");
    },
    now: () => ms,
  });
  presence.seen([{ deviceId: "A" }]);
  ms = 1000;
  presence.sweep();
  assert.equal(told, 1);
});
