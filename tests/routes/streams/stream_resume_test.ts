/** Resuming with a cursor: missed messages, then live ones, and a correct status. */

import assert from "node:assert/strict";
import type { Session } from "../../../broker/streams/session.ts";
import { Epoch } from "../../../broker/messages/message.ts";
import { Checker } from "../../kit/checker.ts";
import { eventually } from "../../kit/eventually.ts";
import { trackingPayload } from "../../kit/payload.ts";
import type { Received } from "../../kit/received.ts";
import { ResumingClient } from "../../kit/clients/resuming_client.ts";
import { everyServer, numbersOf, range, seeded } from "../rig.ts";

const resumed = (events: readonly Received[]) => events.find(({ event }) => event === "resumed");
const names = (events: readonly Received[]) => events.map(({ event }) => event);

for (const transport of ["ws", "sse"] as const) {
  everyServer.test(`${transport}: since replays what follows it, then sends resumed, then live messages`, async ({ start }) => {
    await using rig = await start();
    const cursor = rig.publish("A", 1, 2);
    rig.publish("B", 100);
    rig.publish("A", 3, 4);
    await using client = await rig.open(transport, `device_ids=A&since=${cursor}`);
    const event = await client.waitForEvent("resumed");
    assert.equal(event.data, '{"status":"full","replayed":2}');
    assert.equal(event.id, rig.cursor);
    rig.publish("A", 5);
    await client.waitForMessages(3);
    assert.deepEqual(numbersOf(client.payloads), [3, 4, 5]);
    const { items } = client.events;
    assert.deepEqual(names(items), ["message", "message", "resumed", "message"]);
    assert.deepEqual(items.map(({ id }) => id), [4, 5, 5, 6].map((n) => rig.cursorAt(n)));
  });

  everyServer.test(`${transport}: a resume without missed messages is full, too`, async ({ start }) => {
    await using rig = await start();
    for (const publish of [() => rig.cursor, () => rig.publish("A", 1), () => rig.cursor]) {
      await using client = await rig.open(transport, `device_ids=A&since=${publish()}`);
      const { data, id } = await client.waitForEvent("resumed");
      assert.deepEqual([data, id], ['{"status":"full","replayed":0}', rig.cursor]);
    }
    await using fresh = await rig.open(transport, `device_ids=A`);
    rig.publish("A", 2);
    await fresh.waitForMessages(1);
    assert.deepEqual(names(fresh.events.items), ["message"]);
  });

  everyServer.test(`${transport}: an invalid cursor is none, and the stream is live`, async ({ start, t }) => {
    await using rig = await start();
    rig.publish("A", 1, 2, 3);
    const good = rig.cursorAt(1);
    const flipped = good.slice(0, -1) + (good.endsWith("1") ? "2" : "1");
    const bad: Record<string, string> = {
      forged: flipped,
      "another place, same checksum": good.replace(/-(.)-/, "-2-"),
      truncated: good.slice(0, -1),
      "cut in half": good.slice(0, good.length / 2),
      longer: `${good}0`,
      "upper case": good.toUpperCase(),
      "of another log": Epoch.random().cursor(1),
      "from the future": rig.cursorAt(1_000_000),
      "10 KB": "x".repeat(10_240),
      "10 KB of cursors": good.repeat(700),
      "a number": "1",
      hostile: '"><script>\r\nid: 5\r\n\r\n',
      "not a place": rig.fanout.epoch.cursor(-1),
    };
    bad["one ahead"] = rig.cursorAt(4 + Object.keys(bad).length);
    for (const [name, cursor] of Object.entries(bad)) {
      await t.step(name, async () => {
        const query = `device_ids=A&since=${encodeURIComponent(cursor)}`;
        await using client = await rig.open(transport, query);
        const { data, id } = await client.waitForEvent("resumed");
        assert.equal(data, '{"status":"none","replayed":0}');
        assert.equal(id, rig.cursor);
        const { fanout } = rig;
        fanout.publish([{ deviceId: "A", payload: `{"late":${fanout.log.position}}` }]);
        await client.waitForMessages(1);
        assert.deepEqual(names(client.events.items), ["resumed", "message"]);
      });
    }
  });

  everyServer.test(`${transport}: an expired cursor is partial, with what is left`, async ({ start }) => {
    await using rig = await start({ recentMaxBytes: 3000 });
    const old = rig.publish("A", 1);
    rig.publish("A", ...range(2, 50));
    const left = rig.fanout.log.position - rig.fanout.log.start;
    assert.ok(left > 3 && left < 40);
    await using client = await rig.open(transport, `device_ids=A&since=${old}`);
    const { data } = await client.waitForEvent("resumed");
    assert.equal(data, `{"status":"partial","replayed":${left}}`);
    assert.deepEqual(numbersOf(client.payloads), range(51 - left, 50));
    // The first stored message is the next one: nothing is missing.
    const edge = rig.cursorAt(rig.fanout.log.start);
    await using whole = await rig.open(transport, `device_ids=A&since=${edge}`);
    assert.match((await whole.waitForEvent("resumed")).data, /"full"/);
    const beyond = rig.cursorAt(rig.fanout.log.start - 1);
    await using part = await rig.open(transport, `device_ids=A&since=${beyond}`);
    assert.match((await part.waitForEvent("resumed")).data, /"partial"/);
  });

  everyServer.test(`${transport}: a replay by ids, prefixes or everything is in the log's order`, async ({ start }) => {
    await using rig = await start();
    const cursor = rig.cursor;
    const devices = range(1, 120).map((n) => `d${n}`);
    for (const n of range(1, 5)) for (const id of devices) rig.publish(id, n);
    const all = range(1, 600);
    const queries: readonly [string, (id: string) => boolean][] = [
      ["device_ids=*", () => true],
      ["device_ids=d1*", (id) => id.startsWith("d1")],
      ["device_ids=d7,d70*,d119", (id) => id === "d7" || id === "d70" || id === "d119"],
      [`device_ids=${devices.slice(0, 100).join(",")}`, (id) => Number(id.slice(1)) <= 100],
    ];
    for (const [query, wanted] of queries) {
      await using client = await rig.open(transport, `${query}&since=${cursor}`);
      const { data } = await client.waitForEvent("resumed");
      const expected = all.filter((offset) => wanted(devices[(offset - 1) % 120]!));
      assert.equal(JSON.parse(data).replayed, expected.length);
      const ids = client.events.items.filter(({ event }) => event === "message");
      assert.deepEqual(ids.map(({ id }) => id), expected.map((offset) => rig.cursorAt(offset)));
    }
  });

  everyServer.test(`${transport}: messages that arrive during a slow client's replay follow in order, once`, async ({ start }) => {
    await using rig = await start();
    const filler = "x".repeat(4000);
    const send = (n: number) => rig.publish("A", JSON.stringify({ n, filler }));
    const cursor = rig.cursor;
    for (const n of range(1, 8000)) send(n);
    await using client = await rig.slow(transport, `device_ids=A&since=${cursor}`);
    await rig.untilStuck();
    const [{ sink }] = [...rig.hub.sessions] as [Session];
    assert.ok(sink.buffered < 200_000, `a replay piles up: ${sink.buffered} bytes`);
    for (const n of range(8001, 9000)) send(n);
    await client.read((events) => resumed(events) !== undefined);
    send(9001);
    await client.read((events) => events.at(-1)!.data.includes('"n":9001,'));
    const messages = client.events.filter(({ event }) => event === "message");
    assert.deepEqual(numbersOf(messages.map(({ data }) => data)), range(1, 9001));
    const { data, id } = resumed(client.events)!;
    const { status, replayed } = JSON.parse(data);
    assert.equal(status, "full");
    assert.ok(replayed >= 8001, `${replayed}`);
    assert.equal(id, rig.cursorAt(replayed));
    assert.deepEqual(rig.drops, []);
  });
}

everyServer.test("SSE: Last-Event-ID takes precedence over since, as EventSource needs it to reconnect", async ({ start }) => {
  await using rig = await start();
  rig.publish("A", 1, 2, 3);
  const query = `device_ids=A&since=${rig.cursorAt(1)}`;
  await using client = await rig.sse(query, { lastEventId: rig.cursorAt(2) });
  await client.waitForEvent("resumed");
  assert.deepEqual(numbersOf(client.payloads), [3]);
  await using forged = await rig.sse(query, { lastEventId: "forged" });
  assert.match((await forged.waitForEvent("resumed")).data, /"none"/);
  await using empty = await rig.sse(query, { lastEventId: "" });
  await empty.waitForEvent("resumed");
  assert.deepEqual(numbersOf(empty.payloads), [2, 3]);
});

everyServer.test("SSE: a client that received only the first block resumes from there", async ({ start }) => {
  await using rig = await start();
  rig.publish("A", 1);
  await using first = await rig.sse("device_ids=A");
  await eventually("a position", () => first.lastId);
  await first.close();
  rig.publish("A", 2);
  await using second = await rig.sse("device_ids=A", { lastEventId: first.lastId! });
  await second.waitForEvent("resumed");
  assert.deepEqual(numbersOf(second.payloads), [2]);
});

everyServer.test("SSE: with a cursor the first block is only retry, without an id", async ({ start }) => {
  await using rig = await start();
  rig.publish("A", 1);
  for (const cursor of [rig.cursorAt(0), "forged"]) {
    await using client = await rig.sse(`device_ids=A&since=${cursor}`);
    await client.waitForEvent("resumed");
    assert.match(client.raw, /^retry: 3000\n(id: \S+\nevent: \w+\ndata: \S+\n\n)+$/);
  }
});

everyServer.test("clients that are disconnected repeatedly, on both transports, get every message once", async ({ start }) => {
  await using rig = await start();
  const checker = new Checker();
  await using stack = new AsyncDisposableStack();
  const devices = ["A", "B", "C"];
  const clients: ResumingClient[] = [];
  for (const transport of ["ws", "sse"] as const) {
    for (const deviceIds of [["A"], ["B", "C"], ["*"]]) {
      const checked = checker.client(`${transport} ${deviceIds}`, {
        devices: deviceIds[0] === "*" ? "*" : deviceIds,
        after: checker.position(),
      });
      clients.push(stack.use(
        await ResumingClient.start({
          transport,
          url: rig.streamUrl(),
          deviceIds,
          checked,
          retryMs: 5,
          client: rig.client,
        }),
      ));
    }
  }
  await seeded(async (below) => {
    for (const _ of range(1, 300)) {
      const batch = range(1, 1 + below(20)).map(() => {
        const deviceId = devices[below(3)]!;
        const payload = trackingPayload(deviceId, checker.next(deviceId));
        return { deviceId, payload };
      });
      await rig.fanout.publish(batch);
      if (below(10) < 3) clients[below(clients.length)]!.drop();
      if (below(2) === 0) await new Promise((resolve) => setTimeout(resolve, below(4)));
    }
    await eventually("every client has everything", () => checker.complete());
    checker.assertFlawless();
  });
  const statuses = new Set(clients.flatMap(({ resumed }) => Object.keys(resumed)));
  assert.deepEqual([...statuses], ["full"]);
  assert.ok(clients.reduce((sum, { connects }) => sum + connects, 0) > 2 * clients.length);
});
