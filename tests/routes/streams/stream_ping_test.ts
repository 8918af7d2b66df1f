/** Pings: that they arrive, and that a stream can be resumed from their position. */

import assert from "node:assert/strict";
import { eventually } from "../../kit/eventually.ts";
import { everyServer, numbersOf, onBoth, range } from "../rig.ts";

const EVERY_SECOND = { env: { KEEPALIVE_SECONDS: "1" } };
const KEEP_ALIVE = '{"type":"keep-alive"}';

for (const transport of ["ws", "sse"] as const) {
  everyServer.test(`${transport}: a ping never has a position beyond queued messages`, async ({ start }) => {
    await using rig = await start({ env: { QUEUE_MAX_PER_DEVICE: "100000" } });
    await using client = await rig.slow(transport, "device_ids=A");
    const filler = "x".repeat(10_000);
    let n = 0;
    await eventually("messages wait", () => {
      for (const _ of range(1, 100)) rig.publish("A", JSON.stringify({ n: ++n, filler }));
      return [...rig.hub.sessions][0]!.queued.messages > 100;
    });
    const [session] = rig.hub.sessions;
    // Two pings are written after what the socket holds, before any more of the queue.
    const waiting = session!.queued.messages;
    const pings = () => client.events.filter(({ event }) => event === "ping");
    for (const _ of range(1, 2)) rig.hub.ping(session!);
    assert.equal(session!.queued.messages, waiting);
    await client.read(() => pings().length === 2);
    const seen = client.events.slice(0, client.events.indexOf(pings()[1]!))
      .filter(({ event }) => event === "message");
    assert.equal(seen.length, n - waiting);
    assert.equal(pings()[1]!.id, seen.at(-1)!.id);
    await client.read((events) => events.some(({ data }) => data.startsWith(`{"n":${n},`)));
    const messages = client.events.filter(({ event }) => event === "message");
    assert.deepEqual(numbersOf(messages.map(({ data }) => data)), range(1, n));
  });

  everyServer.test(`${transport}: a ping never has a position beyond the replay`, async ({ start }) => {
    await using rig = await start();
    const filler = "x".repeat(10_000);
    for (const n of range(1, 3000)) rig.publish("A", JSON.stringify({ n, filler }));
    await using client = await rig.slow(transport, `device_ids=A&since=${rig.cursorAt(0)}`);
    await rig.untilStuck();
    const [session] = rig.hub.sessions;
    rig.hub.ping(session!);
    await client.read((events) => events.some(({ event }) => event === "ping"));
    const at = client.events.findIndex(({ event }) => event === "ping");
    const before = client.events.slice(0, at).filter(({ event }) => event === "message");
    assert.ok(before.length > 0 && before.length < 3000);
    const named = range(0, 3000).find((n) => rig.cursorAt(n) === client.events[at]!.id);
    assert.ok(named !== undefined && named <= before.length, `${named} of ${before.length}`);
  });
}

everyServer.test("a stream can be resumed from a ping's position, without loss or repeat", async ({ start }) => {
  await using rig = await start();
  await using ws = await rig.ws("device_ids=A");
  rig.publish("A", 1);
  rig.publish("B", 1, 2, 3);
  ws.send({ action: "ping" });
  const { id } = await ws.waitForEvent("ping");
  rig.publish("A", 2);
  await using sse = await rig.sse("device_ids=A", { lastEventId: id! });
  await sse.waitForEvent("resumed");
  assert.deepEqual(numbersOf(sse.payloads), [2]);
});

everyServer.test("a client with an invalid cursor gets its position with the first event", async ({ start }) => {
  await using rig = await start();
  rig.publish("A", 1);
  await using client = await rig.ws("device_ids=A&since=forged");
  client.send({ action: "ping" });
  const { id } = await client.waitForEvent("ping");
  assert.equal(id, rig.cursor);
});

onBoth("a quiet stream gets pings, whose position follows the log", async (transport, start) => {
  await using rig = await start(EVERY_SECOND);
  await using client = await rig.open(transport, "device_ids=quiet");
  const first = await client.waitForEvent("ping");
  assert.deepEqual([first.data, first.id], [KEEP_ALIVE, rig.cursorAt(0)]);
  rig.publish("busy", ...range(1, 10));
  const second = await client.waitForEvent("ping", { from: client.events.items.length });
  assert.equal(second.id, rig.cursorAt(10));
  const wire = transport === "ws"
    ? `{"event":"ping","data":${KEEP_ALIVE},"id":"${second.id}"}`
    : `id: ${second.id}\nevent: ping\ndata: ${KEEP_ALIVE}\n\n`;
  const seen = "raw" in client ? client.raw : client.frames.items.join("");
  assert.ok(seen.endsWith(wire), seen);
});
