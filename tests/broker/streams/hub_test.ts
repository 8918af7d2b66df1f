import assert from "node:assert/strict";
import { Hub, type HubOptions } from "../../../broker/streams/hub.ts";
import { Interest } from "../../../broker/messages/interest.ts";
import { MemoryFanout } from "../../../broker/log/memory_fanout.ts";
import type { SessionMode } from "../../../broker/streams/session.ts";
import { eventually } from "../../kit/eventually.ts";
import { FakeSink } from "./fake_sink.ts";

/** A hub on an in-memory fanout, with sinks as clients. */
class HubKit implements AsyncDisposable {
  readonly fanout = new MemoryFanout({ retentionMs: 60_000, recentMaxBytes: 1_000_000 });
  readonly drops: string[] = [];
  readonly hub: Hub;

  constructor(options: Partial<HubOptions> = {}) {
    this.hub = new Hub(this.fanout, {
      limits: { maxPerDevice: 2, maxBytes: 1_000_000 },
      keepaliveSeconds: 3600,
      staleSeconds: 300,
      onDrop: (deviceId) => this.drops.push(deviceId),
      ...options,
    });
    this.fanout.start(this.hub);
  }

  client(ids: string, mode: SessionMode = {}, sink: FakeSink = new FakeSink()) {
    const session = this.hub.open(sink, Interest.parse([ids], 500), mode);
    this.hub.attach(session);
    return { session, sink };
  }

  /** Publishes one turn of messages, one per device id. */
  publish(...deviceIds: string[]): void {
    this.fanout.publish(deviceIds.map((deviceId) => ({ deviceId, payload: `"${deviceId}"` })));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hub[Symbol.dispose]();
    await this.fanout[Symbol.asyncDispose]();
  }
}

Deno.test("Hub: each session gets what it asked for, in log order, written in the same turn", async () => {
  await using kit = new HubKit();
  const a = kit.client("A");
  const ab = kit.client("A,B");
  const all = kit.client("*");
  kit.publish("A", "B", "C", "A");
  assert.deepEqual(a.sink.written, ["A:1", "A:4"]);
  assert.deepEqual(ab.sink.written, ["A:1", "B:2", "A:4"]);
  assert.deepEqual(all.sink.written, ["A:1", "B:2", "C:3", "A:4"]);
  assert.deepEqual([kit.hub.published, kit.hub.totals.ws.sent, a.session.sent], [4, 9, 2]);
});

Deno.test("Hub: a session gets nothing before it is attached, nor after it is closed", async () => {
  await using kit = new HubKit();
  const sink = new FakeSink();
  const session = kit.hub.open(sink, Interest.parse(["A"], 1));
  kit.publish("A");
  kit.hub.attach(session);
  kit.publish("A");
  kit.hub.close(session, 1009, "why");
  kit.publish("A");
  assert.deepEqual([sink.written, sink.closed], [["A:2"], { code: 1009, reason: "why" }]);
  kit.hub.attach(session);
  kit.hub.reattach(session, Interest.EVERYTHING);
  kit.publish("A");
  assert.equal(sink.written.length, 1);
  assert.equal(kit.hub.devicesMonitored, 0);
});

Deno.test("Hub: totals are per transport; a session that is closed twice is counted once", async () => {
  await using kit = new HubKit();
  const ws = kit.client("A");
  const sse = kit.client("A", {}, new FakeSink("sse"));
  let told = 0;
  ws.session.onClosed = () => told++;
  assert.deepEqual([kit.hub.totals.ws.connected, kit.hub.totals.sse.connected], [1, 1]);
  kit.publish("A");
  kit.hub.close(ws.session);
  kit.hub.close(ws.session);
  kit.hub.goodbye(ws.session, "late", 0);
  assert.deepEqual(kit.hub.totals, {
    ws: { connections: 1, connected: 0, sent: 1, dropped: 0 },
    sse: { connections: 1, connected: 1, sent: 1, dropped: 0 },
  });
  assert.deepEqual([told, kit.hub.sessions.size, ws.sink.written.length], [1, 1, 1]);
  kit.hub.close(sse.session);
  assert.equal(kit.hub.sessions.size, 0);
});

Deno.test("Hub: only the slow session queues and drops; it is drained once its socket takes more", async () => {
  await using kit = new HubKit();
  const slow = kit.client("A");
  const good = kit.client("A");
  slow.sink.room = 0;
  for (let i = 0; i < 5; i++) kit.publish("A");
  assert.deepEqual(good.sink.written, ["A:1", "A:2", "A:3", "A:4", "A:5"]);
  assert.deepEqual([slow.sink.written, kit.drops], [[], ["A", "A", "A"]]);
  assert.deepEqual([slow.session.dropped, kit.hub.totals.ws.dropped], [3, 3]);
  assert.deepEqual([slow.session.queued, kit.hub.waitingSessions], [{ messages: 2, bytes: 6 }, 1]);
  assert.equal(kit.hub.slowSessions, 1);
  slow.sink.room = Infinity;
  await eventually("drained", () => kit.hub.waitingSessions === 0);
  assert.deepEqual(slow.sink.written, ["A:1", "A:2", 'dropped {"device_id":"A","count":3}']);
  kit.publish("A");
  assert.equal(slow.sink.written.at(-1), "A:6");
});

Deno.test("Hub.close() drops waiting messages: nothing is written to a client that is gone", async () => {
  await using kit = new HubKit();
  const slow = kit.client("A");
  const other = kit.client("A");
  slow.sink.room = other.sink.room = 0;
  kit.publish("A");
  kit.hub.close(slow.session);
  slow.sink.room = other.sink.room = Infinity;
  await eventually("the other is drained", () => other.sink.written.length === 1);
  assert.deepEqual([slow.sink.written, kit.hub.waitingSessions], [[], 0]);
});

Deno.test("Hub.goodbye() sends the reason, the reconnect delay, and a position that loses nothing", async () => {
  await using kit = new HubKit();
  const { session, sink } = kit.client("A");
  kit.publish("A", "A");
  sink.room = 0;
  kit.publish("A");
  kit.hub.goodbye(session, "drain", 1234);
  assert.equal(sink.written.at(-1), 'goodbye {"reason":"drain","reconnect_ms":1234}');
  assert.equal(sink.ids.at(-1), kit.hub.cursor(2));
  assert.deepEqual(sink.closed, { code: 1001, reason: "going away" });
});

Deno.test("Hub.ping() carries the head if everything is written, and less if something waits", async () => {
  await using kit = new HubKit();
  const plain = kit.client("A");
  const batch = kit.client("A", { batchMs: 1000 });
  kit.publish("B", "A", "B");
  kit.hub.ping(plain.session);
  kit.hub.ping(batch.session);
  assert.deepEqual([plain.sink.ids, batch.sink.ids], [[kit.hub.cursor(3)], [kit.hub.cursor(1)]]);
});

Deno.test("Hub: when the log is reset, all clients get goodbye with random reconnect delays", async () => {
  await using kit = new HubKit();
  const clients = Array.from({ length: 50 }, () => kit.client("A"));
  kit.hub.onReset("log_reset");
  const waits = clients.map(({ sink }) => {
    const [, data] = /^goodbye (.*)$/.exec(sink.written[0]!)!;
    assert.equal(JSON.parse(data!).reason, "log_reset");
    return JSON.parse(data!).reconnect_ms as number;
  });
  assert.ok(waits.every((ms) => ms >= 0 && ms <= 2000));
  assert.ok(new Set(waits).size > 20);
  assert.equal(kit.hub.sessions.size, 0);
});

Deno.test("Hub: sessions with different modes wait at their own pace", async () => {
  await using kit = new HubKit();
  const batch = kit.client("A", { batchMs: 100 });
  const rated = kit.client("A", { latest: true, maxRate: 5 });
  const far = kit.client("A", { batchMs: 60_000 });
  kit.publish("A");
  kit.publish("A");
  assert.deepEqual([kit.hub.waitingSessions, kit.hub.slowSessions], [3, 0], "none of them is slow");
  await eventually("the quick ones", () => kit.hub.waitingSessions === 1);
  assert.deepEqual(batch.sink.written, ["[A:1 A:2]"]);
  assert.equal(rated.sink.written.length, 2);
  assert.deepEqual(far.sink.written, []);
});

Deno.test("Hub.devicesMonitored counts the devices that clients of this instance asked for", async () => {
  await using kit = new HubKit();
  kit.publish("A1", "A2", "B");
  assert.equal(kit.hub.devicesMonitored, 0);
  const one = kit.client("X,A1");
  const two = kit.client("A*");
  assert.equal(kit.hub.devicesMonitored, 3);
  kit.hub.reattach(one.session, Interest.parse(["Y"], 1));
  assert.equal(kit.hub.devicesMonitored, 3);
  kit.hub.close(two.session);
  assert.equal(kit.hub.devicesMonitored, 1);
});

Deno.test("Hub: SSE clients get comments, and both transports get pings", async () => {
  await using kit = new HubKit({ keepaliveSeconds: 1, commentSeconds: 1 });
  const ws = kit.client("A");
  const sse = kit.client("A", {}, new FakeSink("sse"));
  await eventually(
    "a ping each",
    () => [ws, sse].every(({ sink }) => sink.written.includes('ping {"type":"keep-alive"}')),
  );
  kit.hub.close(ws.session);
  const pings = ws.sink.written.length;
  const from = sse.sink.written.length;
  await eventually("another", () => sse.sink.written.length > from);
  assert.equal(ws.sink.comments, 0);
  assert.ok(sse.sink.comments > 0);
  assert.equal(ws.sink.written.length, pings);
});

Deno.test("Hub: a client that reads none of its waiting data is closed; slow, quiet and new ones are not", async () => {
  await using kit = new HubKit({ writeSeconds: 1 });
  const stuck = kit.client("A");
  const slow = kit.client("A");
  const quiet = kit.client("A");
  stuck.sink.buffered = slow.sink.buffered = 10;
  const reading = setInterval(() => slow.sink.taken++, 10);
  await eventually("it is closed", () => stuck.session.closed);
  const late = kit.client("A");
  late.sink.buffered = 10;
  clearInterval(reading);
  assert.ok(stuck.sink.abandoned);
  assert.deepEqual([slow.session.closed, quiet.session.closed, late.session.closed], [
    false,
    false,
    false,
  ]);
  assert.deepEqual(stuck.sink.closed, { code: 1008, reason: "not read" });
  await eventually("they are stuck now", () => slow.session.closed && late.session.closed);
  assert.equal(quiet.session.closed, false);
});

Deno.test("Hub: the presence events of one turn are one write per client", async () => {
  await using kit = new HubKit();
  const all = kit.client("*", { presence: true });
  const some = kit.client("A,C", { presence: true });
  const plain = kit.client("*");
  kit.publish("A", "B", "A", "C");
  const told = (id: string) => `presence {"device_id":"${id}","state":"online"}`;
  assert.deepEqual(all.sink.written.slice(0, 3), ["A", "B", "C"].map(told));
  assert.deepEqual(some.sink.written.slice(0, 2), ["A", "C"].map(told));
  assert.deepEqual(
    [all, some, plain].map(({ sink }) => [sink.writes, sink.written.length]),
    [[1, 7], [1, 5], [0, 4]],
  );
});
