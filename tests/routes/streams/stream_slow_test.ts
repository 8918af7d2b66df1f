/** Clients that stop reading: what they lose, and that others are not affected. */

import assert from "node:assert/strict";
import { eventually } from "../../kit/eventually.ts";
import type { Received } from "../../kit/received.ts";
import { everyServer, numbersOf, onBoth, range } from "../rig.ts";

const filler = "x".repeat(300);
const payload = (device_id: string, n: number) => JSON.stringify({ device_id, n, filler });

/** Messages and dropped counts of one device, in the order in which they arrived. */
function of(events: readonly Received[], deviceId: string): (number | { dropped: number })[] {
  return events.flatMap(({ event, data }) => {
    const value = JSON.parse(data);
    if (value.device_id !== deviceId) return [];
    return event === "dropped" ? [{ dropped: value.count }] : event === "message" ? [value.n] : [];
  });
}

/** Fails unless each gap in the numbers is counted exactly where it is. */
function assertExact(seen: readonly (number | { dropped: number })[], last: number): void {
  let next = 1;
  for (const item of seen) {
    if (typeof item !== "number") next += item.dropped;
    else assert.equal(item, next++, `${JSON.stringify(seen.slice(0, 20))}…`);
  }
  assert.equal(next, last + 1);
}

for (const transport of ["ws", "sse"] as const) {
  everyServer.test(`${transport}: dropped counts are exact, order is kept, and others lose nothing`, async ({ start }) => {
    await using rig = await start();
    await using slow = await rig.slow(transport, "device_ids=A,B");
    await using others = new AsyncDisposableStack();
    const good = [others.use(await rig.ws("device_ids=A")), others.use(await rig.sse())];
    const [session] = rig.hub.sessions;
    const total = { A: 0, B: 0 };
    const burst = (id: "A" | "B", count: number) => {
      rig.publish(id, ...range(1, count).map(() => payload(id, ++total[id])));
    };
    const memory = Deno.memoryUsage().heapUsed;
    const dropped = async (count: number) => {
      const before = session!.dropped;
      for (let turn = 0; session!.dropped - before < count; turn++) {
        assert.ok(turn < 5_000, "nothing is dropped");
        burst("A", 40);
        if (turn % 40 === 0) burst("B", 1);
        await new Promise((resolve) => setTimeout(resolve));
      }
    };
    await dropped(1000);
    assert.equal(rig.drops.length, session!.dropped);
    assert.ok(session!.queued.messages <= 200);
    assert.ok(Deno.memoryUsage().heapUsed - memory < 150_000_000);

    // It reads a little, and stops again: a second gap.
    const from = slow.events.length;
    await slow.read((events) => events.length > from + 200);
    await dropped(100);
    await slow.read((events) => {
      const seen = of(events, "A");
      return seen.reduce<number>(
        (n, item) => typeof item === "number" ? n + 1 : n + item.dropped,
        0,
      ) ===
        total.A;
    });
    burst("A", 1);
    burst("B", 1);
    await slow.read((events) => of(events, "B").at(-1) === total.B);
    assertExact(of(slow.events, "A"), total.A);
    assertExact(of(slow.events, "B"), total.B);
    const told = slow.events.filter(({ event }) => event === "dropped");
    assert.ok(told.length >= 1);
    assert.ok(told.every(({ id, data }) => id === undefined && JSON.parse(data).device_id === "A"));
    assert.equal(
      told.reduce((sum, { data }) => sum + JSON.parse(data).count, 0),
      session!.dropped,
    );
    const ids = slow.events.filter(({ event }) => event === "message").map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);

    const [ws, sse] = good;
    await ws!.waitForMessages(total.A);
    await sse!.waitForMessages(total.A + total.B);
    assert.deepEqual(numbersOf(ws!.payloads), range(1, total.A));
    assert.deepEqual(of(sse!.events.items, "B"), range(1, total.B));
    assert.ok(
      [ws!, sse!].every(({ events }) => events.items.every(({ event }) => event === "message")),
    );
  });

  everyServer.test(`${transport}: QUEUE_MAX_BYTES limits what waits for all devices together`, async ({ start }) => {
    await using rig = await start({ env: { QUEUE_MAX_BYTES: "65536" } });
    await using slow = await rig.slow(transport, "device_ids=*");
    const [session] = rig.hub.sessions;
    const big = "x".repeat(10_000);
    let n = 0;
    while (session!.dropped < 50) {
      assert.ok(++n < 5000, "nothing is dropped");
      rig.publish(`d${n}`, JSON.stringify({ device_id: `d${n}`, n: 1, big }));
    }
    assert.ok(session!.queued.bytes <= 65_536);
    assert.ok(session!.queued.messages <= 6);
    const count = (name: string) => slow.events.filter(({ event }) => event === name).length;
    await slow.read(() => count("message") + count("dropped") === n);
    assert.equal(count("dropped"), session!.dropped);
    for (const d of range(1, n)) assertExact(of(slow.events, `d${d}`), 1);
  });

  everyServer.test(`${transport}: a client that reads loses nothing of a burst of 1,000 messages`, async ({ start }) => {
    await using rig = await start({ env: { QUEUE_MAX_PER_DEVICE: "1" } });
    await using client = await rig.open(transport, "device_ids=A");
    for (const n of range(1, 1000)) rig.publish("A", payload("A", n));
    rig.publish("A", ...range(1001, 2000).map((n) => payload("A", n)));
    await client.waitForMessages(2000);
    assert.deepEqual(numbersOf(client.payloads), range(1, 2000));
    assert.deepEqual(rig.drops, []);
  });

  everyServer.test(`${transport}: a client that vanishes with a full queue leaves nothing behind`, async ({ start }) => {
    await using rig = await start();
    const slow = await rig.slow(transport, "device_ids=A");
    const [session] = rig.hub.sessions;
    for (let n = 1; session!.dropped === 0; n++) rig.publish("A", payload("A", n));
    await slow[Symbol.asyncDispose]();
    await eventually("the session is gone", () => rig.hub.sessions.size === 0);
    await eventually("nothing waits", () => rig.hub.waitingSessions === 0);
    assert.equal(rig.hub.devicesMonitored, 0);
    assert.equal(rig.hub.totals[transport].connected, 0);
  });
}

onBoth(
  "a client that reads nothing for CONNECTION_WRITE_SECONDS is closed, an idle one is not",
  async (transport, start) => {
    await using rig = await start({
      env: { CONNECTION_WRITE_SECONDS: "1", QUEUE_MAX_PER_DEVICE: "1000000" },
    });
    await using stuck = await rig.slow(transport, "device_ids=A");
    await using _idle = await rig.open(transport, "device_ids=B");
    const payload = JSON.stringify({ device_id: "A", more: "x".repeat(50_000) });
    for (let i = 0; i < 400; i++) rig.publish("A", payload);
    await eventually("it is closed", () => rig.hub.sessions.size === 1);
    assert.equal([...rig.hub.sessions][0]!.interest.items[0], "B");
    // Deno's WebSocket waits for the client to answer its close.
    if (rig.server === "fallback" && transport === "ws") return;
    // The connection has ended too, without what still waited for the client.
    await stuck.read(() => false);
    assert.ok(stuck.events.length < 400, `${stuck.events.length} events`);
  },
);
