/** What a client may send on its WebSocket: subscribe, unsubscribe, ping, and nothing else. */

import assert from "node:assert/strict";
import { eventually } from "../../kit/eventually.ts";
import type { Received } from "../../kit/received.ts";
import type { WsClient } from "../../kit/clients/ws_client.ts";
import { everyServer, Flow, numbered, numbersOf, range, Rig, seeded } from "../rig.ts";

const names = (events: readonly Received[]) => events.map(({ event }) => event);

/** Sends a command and returns the event that answers it. */
async function ask(client: WsClient, command: unknown, answer: string): Promise<Received> {
  const from = client.events.items.length;
  client.send(command);
  return await client.waitForEvent(answer, { from });
}

const subscribe = (...device_ids: string[]) => ({ action: "subscribe", device_ids });
const unsubscribe = (...device_ids: string[]) => ({ action: "unsubscribe", device_ids });

/** Messages of one device that the client saw, as numbers. */
function seenOf(client: WsClient, deviceId: string): number[] {
  return numbersOf(client.payloads.filter((text) => JSON.parse(text).device_id === deviceId));
}

everyServer.test("subscribe and unsubscribe are answered with all current subscriptions", async ({ start }) => {
  await using rig = await start();
  await using client = await rig.ws("device_ids=A");
  const more = await ask(client, subscribe("B", " C ", "B", "p*"), "subscribed");
  assert.equal(more.data, '{"device_ids":["A","B","C","p*"]}');
  assert.equal(more.id, undefined);
  for (const id of ["A", "B", "C", "p1", "D"]) rig.publish(id, 1);
  await client.waitForMessages(4);
  const less = await ask(client, unsubscribe("A", "p*", "unknown"), "subscribed");
  assert.equal(less.data, '{"device_ids":["B","C"]}');
  for (const id of ["A", "B", "C", "p1", "D"]) rig.publish(id, 2);
  const none = await ask(client, unsubscribe("B", "C"), "subscribed");
  assert.equal(none.data, '{"device_ids":[]}');
  rig.publish("B", 3);
  await ask(client, { action: "ping" }, "ping");
  assert.deepEqual(
    client.payloads,
    ["A", "B", "C", "p1"].map((id) => numbered(id, 1)).concat(numbered("B", 2), numbered("C", 2)),
  );
  const everything = await ask(client, subscribe("*"), "subscribed");
  assert.equal(everything.data, '{"device_ids":["*"]}');
  rig.publish("new", 4);
  await client.waitFor(({ data }) => data === numbered("new", 4));
});

everyServer.test("ping is answered by the ping frame, with the position", async ({ start }) => {
  await using rig = await start();
  await using client = await rig.ws("device_ids=A");
  rig.publish("B", 1, 2);
  const { data, id } = await ask(client, { action: "ping" }, "ping");
  assert.deepEqual([data, id], ['{"type":"keep-alive"}', rig.cursor]);
});

everyServer.test("subscribe with since: subscribed, the replay without ids, resumed, then live", async ({ start }) => {
  await using rig = await start();
  const cursor = rig.publish("B", 1);
  rig.publish("B", 2, 3);
  await using client = await rig.ws("device_ids=A");
  const { data } = await ask(client, { ...subscribe("B"), since: cursor }, "resumed");
  assert.equal(data, '{"status":"full","replayed":2}');
  rig.publish("B", 4);
  await client.waitForMessages(3);
  const { items } = client.events;
  assert.deepEqual(names(items), ["subscribed", "message", "message", "resumed", "message"]);
  assert.deepEqual(items.map(({ id }) => id), [
    undefined,
    undefined,
    undefined,
    rig.cursorAt(3),
    rig.cursor,
  ]);
  assert.deepEqual(seenOf(client, "B"), [2, 3, 4]);
});

everyServer.test("subscribe with an invalid cursor: resumed is none, and the device is live", async ({ start }) => {
  await using rig = await start();
  rig.publish("B", 1);
  await using client = await rig.ws("device_ids=A");
  for (const since of ["forged", "", rig.cursorAt(99), "x".repeat(10_240)]) {
    const { data } = await ask(client, { ...subscribe("B"), since }, "resumed");
    assert.equal(data, '{"status":"none","replayed":0}');
  }
  rig.publish("B", 2);
  await client.waitForMessages(1);
  assert.deepEqual(seenOf(client, "B"), [2]);
});

everyServer.test("subscribe with snapshot, and with since too, follows the order of the contract", async ({ start }) => {
  await using rig = await start();
  const cursor = rig.publish("B", 1);
  rig.publish("B", 2);
  await using client = await rig.ws("device_ids=A");
  await ask(client, { ...subscribe("B"), snapshot: true }, "snapshot");
  rig.publish("B", 3);
  await client.waitForMessages(1);
  await ask(client, { ...subscribe("B"), snapshot: true, since: cursor }, "resumed");
  assert.deepEqual(client.events.items.map(({ event, data }) => [event, data]), [
    ["subscribed", '{"device_ids":["A","B"]}'],
    ["snapshot", numbered("B", 2)],
    ["message", numbered("B", 3)],
    ["subscribed", '{"device_ids":["A","B"]}'],
    ["snapshot", numbered("B", 3)],
    ["message", numbered("B", 2)],
    ["message", numbered("B", 3)],
    ["resumed", '{"status":"full","replayed":2}'],
  ]);
});

everyServer.test("commands while messages flow cause no gap and no repeat, in order by device", async ({ start }) => {
  await using rig = await start();
  await using client = await rig.ws("device_ids=A");
  const flow = new Flow(rig, ["A", "B1", "B2", "C"]);
  await using _flow = flow;
  await seeded(async (below) => {
    for (const _ of range(1, 60)) {
      // The last number of the devices named, and the cursor after it: what follows is known.
      const [named, devices] = [["B1", ["B1"]], ["B*", ["B1", "B2"]], ["C", ["C"]]][below(3)] as [
        string,
        string[],
      ];
      const from = client.events.items.length;
      const before = flow.rounds;
      const since = rig.cursor;
      client.send({ ...subscribe(named), since });
      await client.waitForEvent("resumed", { from });
      const target = flow.rounds + 5;
      await client.waitFor(({ data }) => data === numbered(devices[0]!, target), { from });
      const { items } = client.events;
      const at = items.findIndex(({ event }, i) => i >= from && event === "subscribed");
      for (const device of devices) {
        const seen = numbersOf(
          items.slice(at).filter(({ event, data }) =>
            event === "message" && data.includes(`"${device}"`)
          ).map(({ data }) => data),
        );
        assert.deepEqual(seen, range(before + 1, seen.at(-1)!), `${named} after ${before}`);
      }
      const { data } = await ask(client, unsubscribe("B*", "B1", "C"), "subscribed");
      assert.equal(data, '{"device_ids":["A"]}');
      const gone = client.events.items.length;
      const later = numbered("A", flow.rounds + 3);
      await client.waitFor(({ data }) => data === later, { from: gone });
      assert.ok(client.events.items.slice(gone).every(({ data }) => data.includes('"A"')));
    }
  });
  await flow[Symbol.asyncDispose]();
  await client.waitFor(({ data }) => data === numbered("A", flow.rounds));
  assert.deepEqual(seenOf(client, "A"), range(1, flow.rounds));
  const ids = client.events.items.flatMap(({ event, id }) => event === "message" && id ? [id] : []);
  assert.equal(new Set(ids).size, ids.length);
});

for (const live of ["*", "B*", "B1,B2"]) {
  everyServer.test(`a replay of B1 stays in order while B1 is live through ${live}`, async ({ start }) => {
    await using rig = await start();
    const filler = "x".repeat(2000);
    const publish = (id: string, n: number) =>
      rig.publish(id, JSON.stringify({ device_id: id, n, filler }));
    for (const n of range(1, 3000)) publish("B1", n);
    await using client = await rig.ws(`device_ids=${live}`);
    client.send({ ...subscribe("B1"), since: rig.cursorAt(0) });
    await client.waitFor(({ event }) => event === "message");
    publish("B2", 1);
    for (const n of range(3001, 3100)) {
      publish("B1", n);
      await new Promise((resolve) => setTimeout(resolve));
    }
    await client.waitForEvent("resumed");
    publish("B2", 2);
    publish("B1", 3101);
    await client.waitFor(({ data }) => data.startsWith('{"device_id":"B1","n":3101,'));
    assert.deepEqual(seenOf(client, "B1"), range(1, 3101));
    assert.deepEqual(seenOf(client, "B2"), [1, 2]);
  });
}

everyServer.test("a command neither loses nor repeats messages that wait for a slow client", async ({ start }) => {
  await using rig = await start({ env: { QUEUE_MAX_PER_DEVICE: "100000" } });
  const filler = "x".repeat(10_000);
  const publish = (id: string, n: number) =>
    rig.publish(id, JSON.stringify({ device_id: id, n, filler }));
  for (
    const command of [
      { ...subscribe("A", "Z"), snapshot: true },
      { ...subscribe("A"), since: "forged" },
      { ...subscribe("*"), snapshot: true },
      subscribe("A*"),
    ]
  ) {
    await using client = await rig.ws("device_ids=A,B");
    const [session] = rig.hub.sessions;
    let n = 0;
    while (session!.queued.messages < 200) {
      n++;
      publish("A", n);
      publish("B", n);
    }
    await ask(client, command, "subscribed");
    publish("A", n + 1);
    publish("B", n + 1);
    await client.waitForMessages(2 * n + 2);
    assert.deepEqual(seenOf(client, "A"), range(1, n + 1));
    assert.deepEqual(seenOf(client, "B"), range(1, n + 1));
    await client.close();
    await eventually("the session is gone", () => rig.hub.sessions.size === 0);
  }
});

Deno.test("endless commands are accepted from a client that waits for their answers", async () => {
  await using rig = await Rig.start({ env: { MAX_COMMANDS_PER_SECOND: "1000000" } });
  await using client = await rig.ws("device_ids=A");
  // As many as may wait at once, repeatedly.
  for (const round of range(1, 20)) {
    for (const _ of range(1, 100)) client.send({ action: "ping" });
    await client.events.waitForCount(100 * round, ({ event }) => event === "ping");
  }
  assert.equal(rig.hub.sessions.size, 1);
});

everyServer.test("a command that arrives while the stream begins waits until it has begun", async ({ start }) => {
  await using rig = await start();
  const filler = "x".repeat(1000);
  const publish = (id: string, n: number) =>
    rig.publish(id, JSON.stringify({ device_id: id, n, filler }));
  for (const n of range(1, 5000)) publish("A", n);
  await using client = await rig.ws(`device_ids=A&since=${rig.cursorAt(0)}`);
  client.send(subscribe("B"));
  client.send(unsubscribe("A"));
  const { data } = await client.waitFor(({ event, data }) =>
    event === "subscribed" && !data.includes("A")
  );
  assert.equal(data, '{"device_ids":["B"]}');
  publish("A", 5001);
  publish("B", 1);
  await client.waitFor(({ data }) => data.includes('"B","n":1,'));
  assert.deepEqual(names(client.events.items.slice(5000)), [
    "resumed",
    "subscribed",
    "subscribed",
    "message",
  ]);
  assert.deepEqual(seenOf(client, "A"), range(1, 5000));
});
