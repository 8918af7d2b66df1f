/** Snapshots: the last known messages first, then live ones, without a gap or a repeat. */

import assert from "node:assert/strict";
import { eventually } from "../../kit/eventually.ts";
import type { Received } from "../../kit/received.ts";
import { everyServer, Flow, numbered, numbersOf, range, type Rig } from "../rig.ts";

const names = (events: readonly Received[]) => events.map(({ event }) => event);
const shown = (events: readonly Received[]) =>
  events.filter(({ event }) => event === "snapshot").map(({ data }) => data);

/** Makes the next client's socket full from its first snapshot on, until it is drained. */
function fillSocket({ hub }: Rig) {
  const state = { writes: 0, isFull: false, drain: () => void (state.isFull = false) };
  const open = hub.open.bind(hub);
  hub.open = (sink, ...rest) => {
    hub.open = open;
    const events = sink.events.bind(sink);
    sink.events = (name, data) => {
      state.isFull ||= state.writes++ === 0;
      events(name, data);
    };
    Object.defineProperty(sink, "full", { get: () => state.isFull });
    return open(sink, ...rest);
  };
  return state;
}

for (const transport of ["ws", "sse"] as const) {
  everyServer.test(`${transport}: snapshot contains the last message of each requested device, without an id`, async ({ start }) => {
    await using rig = await start();
    rig.publish("A", 1, 2);
    rig.publish("B", 3);
    rig.publish("C", 4);
    await using client = await rig.open(transport, "device_ids=C,A,unknown&snapshot=1");
    await client.events.waitForCount(2, ({ event }) => event === "snapshot");
    rig.publish("A", 5);
    await client.waitForMessages(1);
    const { items } = client.events;
    assert.deepEqual(names(items), ["snapshot", "snapshot", "message"]);
    assert.deepEqual(shown(items).toSorted(), [numbered("A", 2), numbered("C", 4)]);
    assert.deepEqual(items.map(({ id }) => id), [undefined, undefined, rig.cursor]);
    const wire = "raw" in client ? client.raw : client.frames.items[1]!;
    assert.ok(wire.includes(
      transport === "ws"
        ? `{"event":"snapshot","data":${numbered("A", 2)}}`
        : `event: snapshot\ndata: ${numbered("A", 2)}\n\n`,
    ));
  });

  everyServer.test(`${transport}: snapshot of prefixes and of everything`, async ({ start }) => {
    await using rig = await start();
    for (const id of ["a1", "a2", "b1"]) rig.publish(id, 1, 2);
    for (const [query, expected] of [["a*", ["a1", "a2"]], ["*", ["a1", "a2", "b1"]]] as const) {
      await using client = await rig.open(transport, `device_ids=${query}&snapshot=true`);
      await client.events.waitForCount(expected.length, ({ event }) => event === "snapshot");
      rig.publish("a1", 2);
      await client.waitForMessages(1);
      assert.deepEqual(shown(client.events.items), expected.map((id) => numbered(id, 2)));
    }
  });

  everyServer.test(`${transport}: with since, the snapshot is first, then the replay, then resumed`, async ({ start }) => {
    await using rig = await start();
    const cursor = rig.publish("A", 1);
    rig.publish("A", 2, 3);
    await using client = await rig.open(
      transport,
      `device_ids=A&snapshot=1&presence=1&since=${cursor}`,
    );
    await client.waitForEvent("resumed");
    rig.publish("A", 4);
    await client.waitFor(({ data }) => data === numbered("A", 4));
    assert.deepEqual(
      names(client.events.items),
      ["snapshot", "presence", "message", "message", "resumed", "message"],
    );
    assert.deepEqual(shown(client.events.items), [numbered("A", 3)]);
    assert.deepEqual(numbersOf(client.payloads), [2, 3, 4]);
  });

  everyServer.test(`${transport}: a snapshot of 20,000 devices is paced, with no gap after it`, async ({ start }) => {
    await using rig = await start();
    const payload = (device: number, n: number) => JSON.stringify({ device, n });
    const publish = (device: number, n: number) => rig.publish(`d${device}`, payload(device, n));
    rig.fanout.publish(
      range(1, 20_000).map((n) => ({ deviceId: `d${n}`, payload: payload(n, 1) })),
    );
    const socket = fillSocket(rig);
    await using client = await rig.open(transport, "device_ids=*&snapshot=1");
    await eventually("the socket is full", () => socket.writes > 0);
    assert.equal(socket.writes, 1, "nothing more is written to a full socket");
    // Known devices that change, and new ones, while the snapshot is being sent.
    for (const device of [1, 2, 10_000, 19_999, 20_000, 20_001]) publish(device, 2);
    publish(20_000, 3);
    socket.drain();
    await client.waitForMessages(7);
    const events = client.events.items.filter(({ event }) => event !== "ping");
    const first = names(events).indexOf("message");
    assert.ok(names(events.slice(0, first)).every((event) => event === "snapshot"));
    const snapshots = shown(events).map((data) => JSON.parse(data));
    assert.equal(snapshots.length, 20_000);
    assert.deepEqual(snapshots.map(({ device }) => device), range(1, 20_000));
    assert.ok(snapshots.every(({ n }) => n === 1), "a snapshot is of the moment when it began");
    const messages = events.filter(({ event }) => event === "message")
      .map(({ data }) => JSON.parse(data)).map(({ device, n }) => `${device}:${n}`);
    assert.deepEqual(messages, [
      "1:2",
      "2:2",
      "10000:2",
      "19999:2",
      "20000:2",
      "20001:2",
      "20000:3",
    ]);
  });
}

everyServer.test("a snapshot and the messages after it have no gap or repeat while messages flow", async ({ start }) => {
  await using rig = await start();
  await using flow = new Flow(rig, ["A", "B", "C"]);
  for (const round of range(1, 40)) {
    const transport = round % 2 === 0 ? "ws" : "sse";
    const since = round % 4 < 2 ? "" : `&since=${rig.cursor}`;
    await using client = await rig.open(transport, `device_ids=A,B&snapshot=1${since}`);
    const target = flow.rounds + 20;
    await client.waitFor(({ data }) => data === numbered("B", target));
    for (const id of ["A", "B"]) {
      const of = client.events.items.filter(({ data }) => data.includes(`"${id}"`));
      assert.equal(of[0]!.event, "snapshot");
      const numbers = numbersOf(of.map(({ data }) => data));
      const first = since ? numbers[1]! : numbers[0]! + 1;
      assert.ok(first <= numbers[0]! + 1, "nothing between the snapshot and what follows");
      assert.deepEqual(numbers.slice(1), range(first, numbers.at(-1)!));
    }
  }
});
