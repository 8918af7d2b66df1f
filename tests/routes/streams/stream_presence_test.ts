/** Presence of devices, for streams that ask for it. */

import assert from "node:assert/strict";
import { eventually } from "../../kit/eventually.ts";
import { everyServer, numbered, onBoth, range } from "../rig.ts";

const SOON_STALE = { env: { STALE_SECONDS: "1" } };

for (const transport of ["ws", "sse"] as const) {
  everyServer.test(`${transport}: a change during the replay is reported after it`, async ({ start }) => {
    await using rig = await start();
    const filler = "x".repeat(5000);
    for (const n of range(1, 4000)) rig.publish("A", JSON.stringify({ n, filler }));
    const query = `device_ids=A,B&presence=1&since=${rig.cursorAt(0)}`;
    await using client = await rig.slow(transport, query);
    await rig.untilStuck();
    rig.publish("B", 1);
    await client.read((events) => events.some(({ event }) => event === "presence"));
    const states = client.events.filter(({ event }) => event === "presence");
    assert.deepEqual(states.map(({ data }) => data), ['{"device_id":"B","state":"online"}']);
    const names = client.events.map(({ event }) => event);
    assert.ok(names.indexOf("resumed") < names.indexOf("presence"));
  });
}

everyServer.test("presence follows the commands of a WebSocket", async ({ start }) => {
  await using rig = await start();
  await using client = await rig.ws("device_ids=A&presence=1");
  rig.publish("A", 1);
  await client.waitForMessages(1);
  client.send({ action: "subscribe", device_ids: ["B"] });
  client.send({ action: "unsubscribe", device_ids: ["A"] });
  await client.events.waitForCount(2, ({ event }) => event === "subscribed");
  for (const id of ["C", "B"]) rig.publish(id, 1);
  await client.waitFor(({ data }) => data === numbered("B", 1));
  const states = client.events.items.filter(({ event }) => event === "presence");
  assert.deepEqual(states.map(({ data }) => JSON.parse(data).device_id), ["A", "B"]);
});

everyServer.test("presence waits for a client that does not read, and only the newest state is sent", async ({ start }) => {
  await using rig = await start();
  await using client = await rig.slow("ws", "device_ids=*&presence=1");
  const [session] = rig.hub.sessions;
  const filler = "x".repeat(50_000);
  while (!session!.sink.full) rig.publish("A", JSON.stringify({ filler }));
  const full = session!.sink.buffered;
  for (const _ of range(1, 1000)) {
    for (const state of ["stale", "online"] as const) session!.admitsPresence("B", state);
  }
  assert.equal(session!.sink.buffered, full);
  await client.read((events) => events.some(({ data }) => data.includes('"B"')));
  rig.publish("end", 1);
  await client.read((events) => events.at(-1)!.data === numbered("end", 1));
  const told = client.events.filter(({ data }) => data.includes('"B"'));
  assert.deepEqual(told.map(({ data }) => data), ['{"device_id":"B","state":"online"}']);
});

onBoth(
  "presence=1 reports online before the first message, and stale after silence",
  async (transport, start) => {
    await using rig = await start(SOON_STALE);
    await using client = await rig.open(transport, "device_ids=A,p*&presence=1");
    await using plain = await rig.open(transport, "device_ids=A");
    for (const id of ["A", "B", "p1"]) rig.publish(id, 1);
    await client.waitFor(({ data }) => data === '{"device_id":"p1","state":"stale"}');
    const events = client.events.items.map(({ event, data, id }) => [event, data, id]);
    assert.deepEqual(events, [
      ["presence", '{"device_id":"A","state":"online"}', undefined],
      ["message", numbered("A", 1), rig.cursorAt(1)],
      ["presence", '{"device_id":"p1","state":"online"}', undefined],
      ["message", numbered("p1", 1), rig.cursorAt(3)],
      ["presence", '{"device_id":"A","state":"stale"}', undefined],
      ["presence", '{"device_id":"p1","state":"stale"}', undefined],
    ]);
    rig.publish("A", 2);
    await client.waitFor(({ data }) => data.includes("online"), { from: 6 });
    await plain.waitForMessages(2);
    assert.ok(plain.events.items.every(({ event }) => event === "message"));
  },
);

onBoth("the state of each known device follows a snapshot", async (transport, start) => {
  await using rig = await start(SOON_STALE);
  rig.publish("A", 1);
  await eventually("A is stale", () => rig.hub.presence.of("A") === "stale");
  rig.publish("B", 1);
  await using client = await rig.open(transport, "device_ids=A,B,C&presence=1&snapshot=1");
  await client.events.waitForCount(4);
  assert.deepEqual(client.events.items.map(({ event, data }) => [event, data]), [
    ["snapshot", numbered("A", 1)],
    ["snapshot", numbered("B", 1)],
    ["presence", '{"device_id":"A","state":"stale"}'],
    ["presence", '{"device_id":"B","state":"online"}'],
  ]);
});
