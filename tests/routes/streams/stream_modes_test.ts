/** Modes for clients that want less: latest, a maximum rate, batches. */

import assert from "node:assert/strict";
import { eventually } from "../../kit/eventually.ts";
import type { Received } from "../../kit/received.ts";
import { everyServer, numbered, numbersOf, onBoth, range } from "../rig.ts";

interface Item {
  data: { device_id: string; n: number };
  id: string;
}

const batches = (events: readonly Received[]): Item[][] =>
  events.filter(({ event }) => event === "batch").map(({ data }) => JSON.parse(data));

/** The newest number of each device that a client has seen. */
function newest(payloads: readonly string[]): Record<string, number> {
  const seen: Record<string, number> = {};
  for (const payload of payloads) {
    const { device_id, n } = JSON.parse(payload);
    assert.ok(n > (seen[device_id] ?? 0), `${device_id} goes back to ${n}`);
    seen[device_id] = n;
  }
  return seen;
}

for (const transport of ["ws", "sse"] as const) {
  everyServer.test(`${transport}: mode=latest gives a client that reads the newest message of each device in every turn`, async ({ start }) => {
    await using rig = await start();
    await using client = await rig.open(transport, "device_ids=A,B&mode=latest");
    rig.publish("A", 1);
    rig.publish("A", 2, 3, 4);
    rig.publish("B", 5);
    await client.waitForMessages(3);
    assert.deepEqual(numbersOf(client.payloads), [1, 4, 5]);
    assert.deepEqual(
      client.events.items.map(({ id }) => id),
      [1, 4, 5].map((offset) => rig.cursorAt(offset)),
    );
  });

  everyServer.test(`${transport}: mode=latest holds one message per device for a client that does not read`, async ({ start }) => {
    await using rig = await start();
    const devices = range(1, 100).map((n) => `d${n}`);
    await using client = await rig.slow(transport, "device_ids=*&mode=latest");
    const filler = "x".repeat(1000);
    for (const n of range(1, 500)) {
      rig.fanout.publish(devices.map((device_id) => ({
        deviceId: device_id,
        payload: JSON.stringify({ device_id, n, filler }),
      })));
      if (n % 20 === 0) await new Promise((resolve) => setTimeout(resolve));
    }
    const [session] = rig.hub.sessions;
    const waiting = session!.queued.messages;
    assert.ok(waiting > 0 && waiting <= 100, `${waiting}`);
    assert.ok(session!.sink.buffered < 2_000_000);
    const payloads = () =>
      client.events.filter(({ event }) => event === "message").map(({ data }) => data);
    await client.read(() =>
      payloads().filter((text) => text.includes('"n":500,')).length === devices.length
    );
    assert.deepEqual(newest(payloads()), Object.fromEntries(devices.map((id) => [id, 500])));
    assert.ok(payloads().length < 40_000);
    assert.ok(client.events.every(({ event }) => event === "message"), "conflated is not dropped");
    assert.deepEqual([rig.drops, session!.dropped], [[], 0]);
  });

  everyServer.test(`${transport}: mode=latest can be resumed from any id, with the newest message of each device`, async ({ start }) => {
    await using rig = await start();
    const devices = ["A", "B", "C", "D", "E"];
    const filler = "x".repeat(5000);
    let n = 0;
    const burst = () => {
      for (const deviceId of devices) {
        n++;
        const payload = JSON.stringify({ device_id: deviceId, n, filler });
        rig.fanout.publish([{ deviceId, payload }]);
      }
    };
    for (const stopAfter of [1, 2, 4, 6]) {
      await using client = await rig.slow(transport, "device_ids=*&mode=latest");
      for (const _ of range(1, 60)) burst();
      await client.read((events) => events.length >= stopAfter);
      const { id } = client.events.at(-1)!;
      const seen = newest(client.events.map(({ data }) => data));
      burst();
      await using again = await rig.open(transport, `mode=latest&device_ids=*&since=${id}`);
      await again.waitForEvent("resumed");
      const later = newest(again.payloads);
      assert.deepEqual({ ...seen, ...later }, {
        A: n - 4,
        B: n - 3,
        C: n - 2,
        D: n - 1,
        E: n,
      });
    }
  });

  everyServer.test(`${transport}: a resume in mode=latest replays only the newest message of each device`, async ({ start }) => {
    await using rig = await start();
    for (const n of range(1, 2000)) rig.publish(n % 2 === 0 ? "even" : "odd", n);
    for (const more of ["mode=latest", "max_rate=5"]) {
      await using client = await rig.open(
        transport,
        `device_ids=*&${more}&since=${rig.cursorAt(1)}`,
      );
      const { data, id } = await client.waitForEvent("resumed");
      assert.deepEqual([data, id], ['{"status":"full","replayed":2}', rig.cursor]);
      assert.deepEqual(client.payloads, [numbered("odd", 1999), numbered("even", 2000)]);
    }
  });
}

everyServer.test("batch_ms: messages of that interval arrive in one frame, even a single one, as they were sent", async ({ start }) => {
  await using rig = await start();
  await using client = await rig.ws("device_ids=A,B&batch_ms=50");
  const payloads = ['{"n":1.0,"s":"+20.652472"}', '{ "big":12345678901234567890 }', '"😀"'];
  rig.publish("A", payloads[0]!);
  rig.publish("B", payloads[1]!);
  rig.publish("A", payloads[2]!);
  await client.waitForEvent("batch");
  const items = payloads.map((payload, i) => `{"data":${payload},"id":"${rig.cursorAt(i + 1)}"}`);
  assert.deepEqual(client.frames.items, [`{"event":"batch","data":[${items.join(",")}]}`]);
  rig.publish("A", 4);
  await client.waitForEvent("batch", { from: 1 });
  assert.equal(
    client.frames.items[1],
    `{"event":"batch","data":[{"data":${numbered("A", 4)},"id":"${rig.cursor}"}]}`,
  );
});

everyServer.test("batch_ms: one frame waits no longer than its interval, and holds its messages", async ({ start }) => {
  await using rig = await start();
  await using client = await rig.ws("device_ids=A&batch_ms=200");
  const from = performance.now();
  let n = 0;
  while (performance.now() - from < 700) {
    rig.publish("A", ++n);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await client.waitFor(({ data }) => data.includes(`"n":${n}}`));
  const all = batches(client.events.items);
  assert.ok(all.length >= 3 && all.length <= 6, `${all.length} frames`);
  assert.deepEqual(all.flat().map(({ data }) => data.n), range(1, n));
  assert.ok(client.events.items[0]!.at - from < 400);
});

everyServer.test("batch_ms: a burst is split into frames of 500 messages, and nothing is lost", async ({ start }) => {
  await using rig = await start();
  await using client = await rig.ws("device_ids=A&batch_ms=20");
  for (const n of range(1, 2200)) rig.publish("A", n);
  await client.waitFor(({ data }) => data.includes('"n":2200}'));
  const all = batches(client.events.items);
  assert.deepEqual(all.map((items) => items.length), [500, 500, 500, 500, 200]);
  assert.deepEqual(all.flat().map(({ data }) => data.n), range(1, 2200));
});

everyServer.test("batch_ms with since, snapshot and a ping: in order, with a correct position", async ({ start }) => {
  await using rig = await start();
  rig.publish("A", 1, 2, 3);
  await using client = await rig.ws(
    `device_ids=A&batch_ms=1000&snapshot=1&since=${rig.cursorAt(1)}`,
  );
  await client.waitForEvent("resumed");
  rig.publish("A", 4);
  client.send({ action: "ping" });
  await client.waitForEvent("ping");
  assert.deepEqual(client.events.items.map(({ event, id }) => [event, id]), [
    ["snapshot", undefined],
    ["batch", undefined],
    ["resumed", rig.cursorAt(3)],
    ["ping", rig.cursorAt(3)],
  ]);
  assert.deepEqual(batches(client.events.items)[0]!.map(({ data }) => data.n), [2, 3]);
});

everyServer.test("batch_ms with mode=latest: one frame holds each device once", async ({ start }) => {
  await using rig = await start();
  await using client = await rig.ws("device_ids=*&batch_ms=50&mode=latest");
  for (const n of range(1, 50)) for (const id of ["A", "B"]) rig.publish(id, n);
  await client.waitForEvent("batch");
  const [items] = batches(client.events.items);
  assert.deepEqual(items!.map(({ data }) => data), [
    { device_id: "A", n: 50 },
    { device_id: "B", n: 50 },
  ]);
  assert.equal(items!.at(-1)!.id, rig.cursor);
});

everyServer.test("batch_ms: collected messages of an unsubscribed device are not sent", async ({ start }) => {
  await using rig = await start();
  await using client = await rig.ws("device_ids=A,B&batch_ms=500");
  rig.publish("A", 1);
  rig.publish("B", 2);
  client.send({ action: "unsubscribe", device_ids: ["A"] });
  await client.waitForEvent("batch");
  assert.deepEqual(batches(client.events.items).flat().map(({ data }) => data.n), [2]);
  await eventually("nothing waits", () => rig.hub.waitingSessions === 0);
});

onBoth(
  "max_rate limits each device's messages to the rate, and always sends the last one",
  async (transport, start) => {
    await using rig = await start();
    await using client = await rig.open(transport, "device_ids=A,B,slow&max_rate=5");
    const from = performance.now();
    let n = 0;
    while (performance.now() - from < 900) {
      n++;
      rig.publish("A", n);
      rig.publish("B", n);
      if (n === 1) rig.publish("slow", 1);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await client.waitFor(({ data }) => data === numbered("A", n));
    await client.waitFor(({ data }) => data === numbered("B", n));
    const seconds = (performance.now() - from) / 1000;
    for (const id of ["A", "B"]) {
      const of = client.payloads.filter((text) => text.includes(`"${id}"`));
      assert.equal(newest(of)[id], n);
      assert.ok(of.length >= 4 && of.length <= 1 + seconds * 5, `${of.length} in ${seconds} s`);
    }
    assert.equal(client.payloads.filter((text) => text.includes("slow")).length, 1);
    // A device that was quiet does not have to wait.
    rig.publish("slow", 2);
    await client.waitFor(({ data }) => data === numbered("slow", 2), { timeoutMs: 1000 });
  },
);

onBoth("max_rate holds across the change from replay to live", async (transport, start) => {
  await using rig = await start();
  rig.publish("A", 1, 2, 3);
  const query = `device_ids=A&max_rate=1&since=${rig.cursorAt(0)}`;
  const from = performance.now();
  await using client = await rig.open(transport, query);
  await client.waitForEvent("message");
  rig.publish("A", 4, 5);
  const second = await client.waitFor(({ data }) => data === numbered("A", 5));
  assert.ok(second.at - from > 900, `${second.at - from} ms`);
  assert.deepEqual(numbersOf(client.payloads), [3, 5]);
});
