/** Statistics: those that the seed systems' clients know, and those for operators. */

import assert from "node:assert/strict";
import { Instances } from "../../../broker/cluster/instances.ts";
import type { KvClient } from "../../../broker/store/kv_client.ts";
import { encodeJson } from "../../../broker/store/stored_json.ts";
import { eventually } from "../../kit/eventually.ts";
import { FakeClock } from "../../kit/fake_clock.ts";
import { Rig } from "../rig.ts";

const STATS = "/api/v1/stream/stats";

Deno.test("stream/stats has exactly the three counters, of this instance", async () => {
  await using rig = await Rig.start();
  const text = await (await rig.fetch(STATS)).text();
  assert.equal(
    text,
    '{"total_messages_processed":0,"active_subscribers":0,"devices_being_monitored":0}',
  );
  await using _ws = await rig.ws("device_ids=A,B");
  await using sse = await rig.sse("device_ids=B,C");
  rig.publish("A", 1, 2);
  rig.publish("Z", 3);
  assert.deepEqual(await rig.json(STATS), {
    total_messages_processed: 3,
    active_subscribers: 2,
    devices_being_monitored: 3,
  });
  await sse.close();
  await eventually("one is left", async () => (await rig.json(STATS)).active_subscribers === 1);
  assert.equal((await rig.json(STATS)).devices_being_monitored, 2);
});

Deno.test("stream/stats counts repeats once, and messages without subscribers too", async () => {
  await using rig = await Rig.start();
  const message = { deviceId: "A", payload: '{"uuid":"u"}', uuid: "u" };
  await rig.fanout.publish([message, message]);
  await rig.fanout.publish([message]);
  assert.equal((await rig.json(STATS)).total_messages_processed, 1);
});

Deno.test("stream/stats?scope=cluster sums the current values of this instance and the others", async () => {
  const entries = [
    { id: "this-one", messages: 1000, subscribers: 1000, devices: 1000 },
    { id: "other-1", messages: 10, subscribers: 20, devices: 30 },
    { id: "other-2", messages: 1, subscribers: 2, devices: 3 },
  ].map((info, i) => ({
    key: ["instance", info.id],
    value: encodeJson(info),
    versionstamp: String(i).padStart(20, "0"),
  }));
  const kv = {
    commit: () => Promise.resolve({ ok: true, versionstamp: "0" }),
    list: () => Promise.resolve(entries),
  } as unknown as KvClient;
  await using instances = new Instances(kv, {
    id: "this-one",
    figures: () => ({ messages: 100, subscribers: 200, devices: 300 }),
  });
  instances.start();
  await using rig = await Rig.start({ instances });
  await eventually("the others are known", () => instances.live.length === 3);
  assert.deepEqual(await rig.json(`${STATS}?scope=cluster`), {
    total_messages_processed: 111,
    active_subscribers: 222,
    devices_being_monitored: 333,
  });
  assert.deepEqual(await rig.json(`${STATS}?scope=instance`), {
    total_messages_processed: 100,
    active_subscribers: 200,
    devices_being_monitored: 300,
  });
});

Deno.test("stream/stats: another scope is a 400 problem", async () => {
  await using rig = await Rig.start();
  for (const scope of ["all", "", "CLUSTER", "cluster,instance"]) {
    const response = await rig.fetch(`${STATS}?scope=${scope}`);
    assert.equal(response.status, 400);
    assert.equal((await response.json()).code, "bad_scope");
  }
});

Deno.test("stats reports sources, transports, fanout and uptime", async () => {
  const source = {
    name: "mqtt",
    kind: "mqtt",
    state: "waiting" as const,
    reason: "connection refused",
    received: 5,
    malformed: 2,
    dropped: 1,
    reconnects: 3,
  };
  await using rig = await Rig.start({ sources: () => [source] });
  await using _ws = await rig.ws("device_ids=A");
  await using sse = await rig.sse("device_ids=A");
  rig.publish("A", 1, 2);
  await sse.waitForMessages(2);
  await sse.close();
  await eventually("it is gone", () => rig.hub.sessions.size === 1);
  const stats = await rig.json("/api/v1/stats");
  assert.deepEqual(stats.sources, [source]);
  assert.deepEqual(stats.transports, {
    ws: { connections: 1, connections_total: 1, sent: 2, dropped: 0 },
    sse: { connections: 0, connections_total: 1, sent: 2, dropped: 0 },
  });
  assert.equal(stats.instance, "this-one");
  assert.equal(typeof stats.uptime_seconds, "number");
  assert.deepEqual(stats.queued, { messages: 0, bytes: 0 });
  const { state, position, stored, devices } = stats.fanout;
  assert.deepEqual([state, position, stored, devices], ["ready", 2, 2, 1]);
});

Deno.test("stats lists the slowest connections, with their network but no address", async () => {
  await using rig = await Rig.start();
  await using _ready = await rig.ws("device_ids=A&mode=latest");
  await using _slow = await rig.slow("ws", "device_ids=A,B");
  const big = JSON.stringify({ text: "x".repeat(50_000) });
  await eventually("something waits", async () => {
    await rig.fanout.publish(Array(20).fill({ deviceId: "A", payload: big }));
    return (await rig.json("/api/v1/stats")).queued.messages > 1;
  });
  const { slowest_connections: [first, second, ...rest] } = await rig.json("/api/v1/stats");
  assert.equal(first.transport, "ws");
  assert.equal(first.network, "127.0.0.x");
  assert.equal(first.devices, 2);
  assert.equal(first.mode, "all");
  assert(first.queued_messages > 1 && first.queued_bytes > 50_000 && first.unsent_bytes > 0);
  assert.equal(second.mode, "latest");
  assert.deepEqual(rest, []);
});

Deno.test("stats lists a silent instance until it is forgotten", async () => {
  const entry = (id: string, stamp: string) => ({
    key: ["instance", id],
    value: encodeJson({ id, messages: 1, subscribers: 2, devices: 3 }),
    versionstamp: stamp.padStart(20, "0"),
  });
  let beats = 0;
  const kv = {
    commit: () => Promise.resolve({ ok: true, versionstamp: "0" }),
    list: () => Promise.resolve([entry("alive", String(++beats)), entry("crashed", "0")]),
  } as unknown as KvClient;
  const clock = new FakeClock();
  const figures = () => ({ messages: 0, subscribers: 0, devices: 0 });
  await using instances = new Instances(kv, { id: "this-one", figures }, clock);
  instances.start();
  await using rig = await Rig.start({ instances });
  const ids = (list: { id: string }[]) => list.map(({ id }) => id);
  await eventually("the silence is seen", async () => {
    await clock.pass(1_000);
    const stats = await rig.json("/api/v1/stats");
    return ids(stats.silent_instances).join() === "crashed" &&
      ids(stats.instances).join() === "this-one,alive";
  });
  const { instances: [self, alive], silent_instances: [crashed] } = await rig.json("/api/v1/stats");
  assert.equal(self.silent_ms, 0);
  assert(alive.silent_ms < 8_000 && crashed.silent_ms >= 8_000);
});
