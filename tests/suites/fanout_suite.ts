/** What every Fanout must do, whatever its implementation. */

import assert from "node:assert/strict";
import type { Fanout } from "../../broker/log/fanout.ts";
import { Interest } from "../../broker/messages/interest.ts";
import type { Publication } from "../../broker/messages/message.ts";
import { eventually, within } from "../kit/eventually.ts";

export interface FanoutKit {
  /** A new fanout on the same store as the others of this kit. */
  open(options?: { retentionMs?: number; recentMaxBytes?: number }): Promise<Fanout>;
  readonly durable: boolean;
  [Symbol.asyncDispose](): Promise<void>;
}

export function message(deviceId: string, n: number | string, uuid?: string) {
  return {
    deviceId,
    payload: JSON.stringify({ data: { DEVICE_ID: deviceId, n }, uuid }),
    uuid,
  };
}

async function started(fanout: Fanout) {
  const seen: Publication[] = [];
  const resets: string[] = [];
  await fanout.start({
    onPublications: (batch) => seen.push(...batch),
    onReset: (reason) => resets.push(reason),
  });
  return { fanout, seen, resets };
}

async function replayed(fanout: Fanout, cursor: string, interest = Interest.EVERYTHING) {
  const replay = await fanout.since(cursor, interest, AbortSignal.timeout(5000));
  const found: Publication[] = [];
  while (replay.status !== "none" && replay.at < fanout.log.position) {
    found.push(...await replay.next(2000));
  }
  return { status: replay.status, found };
}

const ns = (publications: readonly Publication[]) =>
  publications.map(({ payload }) => JSON.parse(payload).data.n);

export function fanoutSuite(name: string, kit: () => Promise<FanoutKit>): void {
  Deno.test(`${name}: publish() delivers each message once, in order, with dense offsets`, async () => {
    await using world = await kit();
    await using fanout = await world.open();
    const { seen } = await started(fanout);
    const numbers = Array.from({ length: 500 }, (_, n) => n);
    await Promise.all(numbers.map((n) => fanout.publish([message(`d${n % 7}`, n)])));
    assert.deepEqual(ns(seen), numbers);
    assert.deepEqual(seen.map(({ offset }) => offset), numbers.map((n) => n + 1));
  });

  Deno.test(`${name}: a listener that throws does not count as a store failure, and loses no message`, async () => {
    await using world = await kit();
    await using fanout = await world.open();
    const seen: Publication[] = [];
    const states: string[] = [];
    await fanout.start({
      onPublications: (batch) => {
        seen.push(...batch);
        throw new TypeError("failed on purpose");
      },
      onReset: () => {
        throw new TypeError("failed on purpose");
      },
      onState: ({ state }) => {
        states.push(state);
        throw new TypeError("failed on purpose");
      },
    });
    for (const n of [1, 2, 3]) await within("stored", fanout.publish([message("a", n)]), 5000);
    assert.deepEqual(ns(seen), [1, 2, 3]);
    assert.equal(fanout.state.state, "ready");
    assert.deepEqual(states.filter((state) => state !== "ready"), []);
    assert.equal(fanout.stored, 3);
  });

  Deno.test(`${name}: a payload arrives byte for byte`, async () => {
    await using world = await kit();
    await using fanout = await world.open();
    const { seen } = await started(fanout);
    const payload = '{ "a":1.0,"b":"+20.652472", "ñ":"😀\\u00e9","big":12345678901234567890}';
    await fanout.publish([{ deviceId: "coche-😀", payload }]);
    assert.equal(seen[0]?.payload, payload);
    const again = await replayed(fanout, fanout.epoch.cursor(0));
    assert.equal(again.found[0]?.payload, payload);
    assert.equal(fanout.log.lastOf("coche-😀")?.payload, payload);
  });

  Deno.test(`${name}: a repeat of device, uuid and bytes is dropped, even within a batch`, async () => {
    await using world = await kit();
    await using fanout = await world.open();
    const { seen } = await started(fanout);
    await fanout.publish([message("a", 1, "u1"), message("a", 1, "u1"), message("a", 2, "u1")]);
    await fanout.publish([message("a", 1, "u1"), message("b", 1, "u1")]);
    await fanout.publish([message("c", 1), message("c", 1)]);
    assert.deepEqual(seen.map(({ deviceId }) => deviceId).join(""), "aabcc");
  });

  Deno.test(`${name}: a record at or below the source offset of its partition is a repeat`, async () => {
    await using world = await kit();
    await using fanout = await world.open();
    const { seen } = await started(fanout);
    const record = (offset: number, partition = "0") => ({
      ...message("a", offset),
      sourceOffset: { key: ["kafka", "group", "topic", partition], offset },
    });
    await fanout.publish([record(1), record(2), record(5)]);
    await fanout.publish([record(2), record(5), record(6), record(1, "1")]);
    assert.deepEqual(ns(seen), [1, 2, 5, 6, 1]);
    // Both go into one commit, as after a source that was stopped and started again.
    await Promise.all([fanout.publish([record(7), record(8)]), fanout.publish([record(7)])]);
    assert.deepEqual(ns(seen), [1, 2, 5, 6, 1, 7, 8]);
  });

  Deno.test(`${name}: since() replays what came after a cursor, for the devices asked for`, async () => {
    await using world = await kit();
    await using fanout = await world.open({ recentMaxBytes: 20_000 });
    const { seen } = await started(fanout);
    for (let n = 0; n < 400; n++) await fanout.publish([message(`d${n % 4}`, n)]);
    const cursor = seen[9]!.cursor;
    const all = await replayed(fanout, cursor);
    const some = await replayed(fanout, cursor, Interest.parse(["d1,d2*"], 10));
    if (world.durable) {
      assert.deepEqual([all.status, all.found.length], ["full", 390]);
      assert.deepEqual(ns(all.found), ns(seen.slice(10)));
      assert.equal(some.found.length, 195);
    } else {
      assert.equal(all.status, "partial");
      assert.deepEqual(ns(all.found), ns(seen.slice(-all.found.length)));
    }
    const recent = await replayed(fanout, seen[380]!.cursor, Interest.parse(["d1"], 10));
    assert.deepEqual([recent.status, recent.found.length], ["full", 5]);
    assert.deepEqual((await replayed(fanout, seen[399]!.cursor)).status, "full");
  });

  Deno.test(`${name}: since() reports none for forged, unknown and malformed cursors`, async () => {
    await using world = await kit();
    await using fanout = await world.open();
    const { seen } = await started(fanout);
    await fanout.publish([message("a", 1), message("a", 2)]);
    const cursor = seen[0]!.cursor;
    const forged = cursor.slice(0, -1) + (cursor.endsWith("0") ? "1" : "0");
    const beyond = fanout.epoch.cursor(1000);
    for (const bad of [forged, beyond, "", "x", "a-b-c", cursor.slice(0, 5), "9".repeat(10_000)]) {
      assert.equal((await replayed(fanout, bad)).status, "none", bad.slice(0, 40));
    }
  });

  Deno.test(`${name}: messages older than the retention are gone, and the replay is partial`, async () => {
    await using world = await kit();
    await using fanout = await world.open({ retentionMs: 300 });
    const { seen } = await started(fanout);
    await fanout.publish([message("a", 0)]);
    await fanout.publish([message("b", 1)]);
    const cursor = fanout.epoch.cursor(0);
    assert.equal((await replayed(fanout, cursor)).status, "full");
    let n = 2;
    await eventually("the floor passes the cursor", async () => {
      await fanout.publish([message("b", n++)]);
      assert.equal((await replayed(fanout, cursor)).status, "partial");
      return true;
    }, { timeoutMs: 15_000 });
    const { found } = await replayed(fanout, cursor);
    assert.deepEqual(ns(found), ns(seen.slice(-found.length)));
    assert.equal(ns([fanout.log.lastOf("a")!])[0], 0);
  });
}

/** What a fanout that outlives its instances must do in addition. */
export function durableFanoutSuite(name: string, kit: () => Promise<FanoutKit>): void {
  fanoutSuite(name, kit);

  Deno.test(`${name}: a restart keeps the log, the cursors, the last messages and the repeats`, async () => {
    await using world = await kit();
    let cursor: string;
    {
      await using fanout = await world.open();
      const { seen } = await started(fanout);
      for (let n = 0; n < 50; n++) await fanout.publish([message(`d${n % 5}`, n, `u${n}`)]);
      cursor = seen[39]!.cursor;
    }
    await using fanout = await world.open();
    const { seen } = await started(fanout);
    assert.equal(fanout.log.position, 50);
    assert.equal(fanout.log.deviceCount, 5);
    const { status, found } = await replayed(fanout, cursor);
    assert.deepEqual([status, ns(found)], ["full", [40, 41, 42, 43, 44, 45, 46, 47, 48, 49]]);
    await fanout.publish([message("d4", 49, "u49"), message("d0", 50, "u50")]);
    assert.deepEqual(ns(seen), [50]);
  });

  for (const count of [2, 4]) {
    Deno.test(`${name}: ${count} instances write, and all see the same order`, async () => {
      await using world = await kit();
      await using stack = new AsyncDisposableStack();
      const all: Awaited<ReturnType<typeof started>>[] = [];
      for (let i = 0; i < count; i++) all.push(await started(stack.use(await world.open())));
      const perWriter = 200;
      await Promise.all(all.map(async ({ fanout }, writer) => {
        for (let n = 0; n < perWriter; n += 5) {
          await fanout.publish(
            [0, 1, 2, 3, 4].map((i) => message(`w${writer}`, n + i, `${writer}-${n + i}`)),
          );
        }
      }));
      await eventually("every instance has every message", () => {
        for (const { seen } of all) assert.equal(seen.length, count * perWriter);
        return true;
      }, { timeoutMs: 20_000 });
      const order = all[0]!.seen.map(({ offset, payload }) => `${offset} ${payload}`);
      for (const { seen, resets } of all) {
        assert.deepEqual(seen.map(({ offset, payload }) => `${offset} ${payload}`), order);
        assert.deepEqual(resets, []);
      }
      for (let writer = 0; writer < count; writer++) {
        const mine = all[0]!.seen.filter(({ deviceId }) => deviceId === `w${writer}`);
        assert.deepEqual(ns(mine), Array.from({ length: perWriter }, (_, n) => n));
      }
    });
  }

  Deno.test(`${name}: an instance that takes over a partition knows how far it was read`, async () => {
    await using world = await kit();
    await using one = await world.open();
    await using two = await world.open();
    await started(one);
    const second = await started(two);
    const record = (offset: number) => ({
      ...message("a", offset),
      sourceOffset: { key: ["kafka", "group", "topic", "0"], offset },
    });
    await one.publish([record(1), record(2)]);
    await two.publish([record(2), record(3)]);
    await one.publish([record(3), record(4)]);
    await eventually("both agree", () => second.seen.length === 4);
    assert.deepEqual(ns(second.seen), [1, 2, 3, 4]);
  });

  Deno.test(`${name}: a message that two instances publish is delivered once`, async () => {
    await using world = await kit();
    await using one = await world.open();
    await using two = await world.open();
    const first = await started(one);
    const second = await started(two);
    await Promise.all([one, two].map((fanout) => fanout.publish([message("a", 1, "u")])));
    await Promise.all([one, two].map((fanout) => fanout.publish([message("a", 2, "v")])));
    await eventually("both have both", () => first.seen.length === 2 && second.seen.length === 2);
    assert.equal(one.log.position, 2);
  });
}
