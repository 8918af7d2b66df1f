/** Snapshots: content, number of writes, and that many of them do not delay live messages. */

import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { Hub } from "../../../broker/streams/hub.ts";
import { Interest } from "../../../broker/messages/interest.ts";
import { MemoryFanout } from "../../../broker/log/memory_fanout.ts";
import { addToSession, beginSession } from "../../../broker/streams/resume.ts";
import type { SessionMode } from "../../../broker/streams/session.ts";
import { VirtualTimers } from "../../property/virtual_timers.ts";
import { FakeSink } from "./fake_sink.ts";
import { Scheduler } from "../simulation/scheduler.ts";

/** Virtual time that a write of several events takes. */
const WRITE_MS = 1;

class BusySink extends FakeSink {
  constructor(private readonly scheduler: Scheduler) {
    super();
  }

  override events(name: string, data: readonly string[]): void {
    this.scheduler.now += WRITE_MS;
    super.events(name, data);
  }
}

class SnapshotKit implements Disposable {
  readonly scheduler = new Scheduler();
  readonly #timers = new VirtualTimers(this.scheduler);
  readonly fanout = new MemoryFanout({ retentionMs: 3_600_000, recentMaxBytes: 100_000_000 });
  readonly hub = new Hub(this.fanout, {
    limits: { maxPerDevice: 100, maxBytes: 1_000_000 },
    keepaliveSeconds: 3600,
    staleSeconds: 3600,
    onDrop: () => {},
  });
  readonly gone = new AbortController();

  constructor(devices: number) {
    this.fanout.start(this.hub);
    this.publish(...Array.from({ length: devices }, (_, i) => `d${i}`));
  }

  publish(...deviceIds: string[]): void {
    this.fanout.publish(deviceIds.map((deviceId) => ({ deviceId, payload: `"${deviceId}"` })));
  }

  open(ids: string, mode: SessionMode = {}, sink: FakeSink = new FakeSink()) {
    return { sink, session: this.hub.open(sink, Interest.parse([ids], 500), mode) };
  }

  begin(ids: string, mode: SessionMode = {}, sink: FakeSink = new FakeSink()) {
    const opened = this.open(ids, mode, sink);
    const { signal } = this.gone;
    return { ...opened, begun: beginSession(this.hub, opened.session, { snapshot: true, signal }) };
  }

  /** The maximum that `count` rises between two live messages, one per turn of the event loop. */
  async mostBetween(
    { begin, count, done }: { begin: () => void; count: () => number; done: () => boolean },
  ): Promise<number> {
    const live = this.open("live");
    this.hub.attach(live.session);
    const seen: number[] = [];
    const turn = () => {
      this.publish("live");
      assert.equal(live.sink.take().length, 1);
      seen.push(count());
      timer = setTimeout(turn);
    };
    let timer = setTimeout(turn);
    begin();
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(await this.scheduler.run(done, 600_000));
    clearTimeout(timer);
    return Math.max(...seen.map((at, i) => at - (seen[i - 1] ?? 0)));
  }

  [Symbol.dispose](): void {
    this.hub[Symbol.dispose]();
    this.#timers[Symbol.dispose]();
  }
}

const snapshots = ({ written }: FakeSink) => written.filter((text) => text.startsWith("snapshot"));

Deno.test("a snapshot of 20,000 devices is 40 writes, and nothing is missing", async () => {
  using kit = new SnapshotKit(20_000);
  const { sink } = kit.begin("*");
  await kit.scheduler.run(() => kit.hub.devicesMonitored > 0, 60_000);
  assert.deepEqual(
    snapshots(sink),
    Array.from({ length: 20_000 }, (_, i) => `snapshot "d${i}"`),
  );
  assert.equal(sink.writes, 40);
});

Deno.test("a snapshot of large messages is written 64 KB at a time", async () => {
  using kit = new SnapshotKit(0);
  const payload = `"${"x".repeat(60_000)}"`;
  kit.fanout.publish(Array.from({ length: 50 }, (_, i) => ({ deviceId: `d${i}`, payload })));
  const { sink } = kit.begin("*");
  await kit.scheduler.run(() => kit.hub.devicesMonitored > 0, 60_000);
  assert.deepEqual([snapshots(sink).length, sink.writes], [50, 25]);
});

Deno.test("200 snapshots of 5,000 devices at once let a live message through every few milliseconds", async () => {
  using kit = new SnapshotKit(5_000);
  const all: ReturnType<typeof kit.begin>[] = [];
  const writes = () => all.reduce((sum, { sink }) => sum + sink.writes, 0);
  const most = await kit.mostBetween({
    begin: () => {
      while (all.length < 200) all.push(kit.begin("d*", {}, new BusySink(kit.scheduler)));
    },
    count: writes,
    done: () => all.every(({ session }) => session.live),
  });
  assert.equal(writes(), 200 * 10);
  assert.ok(most <= 5, `${most} writes of ${WRITE_MS} ms each went before a live message`);
  for (const { sink } of all) assert.equal(snapshots(sink).length, 5_000);
});

Deno.test("200 snapshots by command at once let a live message through every few milliseconds", async () => {
  using kit = new SnapshotKit(5_000);
  const { signal } = kit.gone;
  const all = Array.from({ length: 200 }, () => {
    const { session, sink } = kit.open("none", {}, new BusySink(kit.scheduler));
    kit.hub.attach(session);
    return { session, sink };
  });
  let left = all.length;
  const subscribe = ({ session }: typeof all[number]) =>
    addToSession(kit.hub, session, Interest.parse(["d*"], 1), {
      all: Interest.parse(["none,d*"], 2),
      snapshot: true,
      signal,
    }).then(() => left--);
  const most = await kit.mostBetween({
    begin: () => all.forEach(subscribe),
    count: () => all.reduce((sum, { sink }) => sum + sink.writes, 0),
    done: () => left === 0,
  });
  assert.ok(most <= 5, `${most} writes went before a live message`);
  for (const { sink } of all) assert.equal(snapshots(sink).length, 5_000);
});

Deno.test("a snapshot of few devices among many lets live messages through while it searches", async () => {
  using kit = new SnapshotKit(20_000);
  const { session, sink } = kit.open("d1234*,none", {}, new BusySink(kit.scheduler));
  const matches = session.interest.matches.bind(session.interest);
  let looks = 0;
  Object.assign(session.interest, {
    matches: (deviceId: string) => {
      looks++;
      // As long as it takes with 500 prefixes.
      kit.scheduler.now += 0.01;
      return matches(deviceId);
    },
  });
  const { signal } = kit.gone;
  const most = await kit.mostBetween({
    begin: () => beginSession(kit.hub, session, { snapshot: true, signal }),
    count: () => looks,
    done: () => session.live,
  });
  assert.equal(snapshots(sink).length, 11);
  assert.ok(looks >= 20_000);
  assert.ok(most * 0.01 <= 6, `${most * 0.01} ms went before a live message`);
});

Deno.test("a snapshot waits for a client that reads slowly, and ends if its client leaves", async () => {
  using kit = new SnapshotKit(2_000);
  const slow = kit.begin("*");
  slow.sink.room = 0;
  slow.sink.buffered = 2_000_000;
  await kit.scheduler.run(() => false, 10_000);
  assert.deepEqual([slow.sink.writes, slow.session.live], [1, false]);
  slow.sink.read();
  await kit.scheduler.run(() => slow.session.live, 1000);
  assert.equal(snapshots(slow.sink).length, 2_000);
  for (const leave of ["close", "abort"]) {
    const { session, sink } = kit.begin("*");
    sink.room = 0;
    sink.buffered = 2_000_000;
    if (leave === "close") kit.hub.close(session);
    else kit.gone.abort();
    sink.read();
    await kit.scheduler.run(() => false, 1000);
    assert.deepEqual([sink.writes, session.live], [1, false]);
  }
});

Deno.test("a snapshot with presence=1 sends the state of each device after the messages, joined too", async () => {
  using kit = new SnapshotKit(1_000);
  const { sink, session } = kit.begin("d1,d2*", { presence: true });
  await kit.scheduler.run(() => session.live, 1000);
  const told = sink.written.filter((text) => text.startsWith("presence"));
  assert.deepEqual([snapshots(sink).length, told.length, sink.writes], [112, 112, 2]);
  assert.equal(told[0], 'presence {"device_id":"d1","state":"online"}');
  assert.equal(sink.written.at(-1), told.at(-1));
});

Deno.test("a snapshot by command leaves out devices whose message reached the client meanwhile", async () => {
  using kit = new SnapshotKit(1_000);
  const { session, sink } = kit.open("none");
  kit.hub.attach(session);
  const { signal } = kit.gone;
  // Others use up this turn: the snapshot has to wait for the next one.
  while (!kit.hub.startScheduler.pass());
  const added = addToSession(kit.hub, session, Interest.parse(["d*"], 1), {
    all: Interest.parse(["d*"], 1),
    snapshot: true,
    signal,
  });
  kit.publish("d7", "d7");
  const events = sink.events.bind(sink);
  sink.events = (name, data) => {
    if (sink.writes === 0) kit.publish("d999");
    events(name, data);
  };
  await kit.scheduler.run(() => false, 1000);
  await added;
  const of = (id: string) => sink.written.filter((text) => text.endsWith(`"${id}"`));
  assert.deepEqual(sink.written.filter((text) => text.startsWith("d7:")), ["d7:1001", "d7:1002"]);
  assert.deepEqual([of("d7"), of("d999"), of("d8")], [[], [], ['snapshot "d8"']]);
  assert.deepEqual(sink.written.filter((text) => text.startsWith("d999:")), ["d999:1003"]);
});
