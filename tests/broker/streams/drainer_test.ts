import assert from "node:assert/strict";
import { Drainer } from "../../../broker/streams/drainer.ts";
import { Interest } from "../../../broker/messages/interest.ts";
import { JoinedEvents } from "../../../broker/streams/client_frame.ts";
import { Session, type SessionMode } from "../../../broker/streams/session.ts";
import { VirtualTimers } from "../../property/virtual_timers.ts";
import { FakeSink, publication } from "./fake_sink.ts";
import { Scheduler } from "../simulation/scheduler.ts";

/** A drainer with sessions on sinks, in virtual time. */
class DrainerKit implements Disposable {
  readonly scheduler = new Scheduler();
  readonly #timers = new VirtualTimers(this.scheduler);
  readonly failed: Session[] = [];
  readonly drainer = new Drainer((session) => {
    this.failed.push(session);
    this.drainer.delete(session);
  });
  #offset = 0;

  session(mode: SessionMode = {}, sink = new FakeSink()) {
    const session = new Session(sink, Interest.EVERYTHING, {
      mode,
      limits: { maxPerDevice: 1000, maxBytes: 1_000_000 },
      events: {
        onSent: () => {},
        onDrop: () => {},
        onWaiting: (session, waits) => this.drainer.add(session, waits),
      },
    });
    session.goLive();
    return { session, sink };
  }

  /** One turn of messages for a session. */
  publish(session: Session, ...deviceIds: string[]): void {
    for (const deviceId of deviceIds) session.add(publication(deviceId, ++this.#offset));
    session.flush(new JoinedEvents());
  }

  async pass(ms: number): Promise<void> {
    await this.scheduler.run(() => false, ms);
  }

  [Symbol.dispose](): void {
    this.drainer[Symbol.dispose]();
    this.#timers[Symbol.dispose]();
  }
}

for (const mode of [{}, { latest: true }, { batchMs: 20 }] as const) {
  const name = Object.keys(mode)[0] ?? "every message";
  Deno.test(`Drainer: a client that reads nothing is not checked until its socket has taken something (${name})`, async () => {
    using kit = new DrainerKit();
    const { session, sink } = kit.session(mode);
    sink.room = 0;
    sink.buffered = 2_000_000;
    kit.publish(session, "A", "B");
    await kit.pass(100);
    sink.looks = 0;
    const { steps } = kit.scheduler;
    await kit.pass(600_000);
    assert.deepEqual([sink.looks, kit.scheduler.steps - steps], [0, 0]);
    assert.deepEqual([sink.written, kit.drainer.waiting.size], [[], 1]);
    // It takes a little, and is still full.
    for (const taker of sink.takers.splice(0)) taker();
    await kit.pass(1000);
    assert.deepEqual(sink.written, []);
    assert.equal(sink.takers.length, 1, "it waits again");
    sink.read();
    await kit.pass(1);
    assert.equal(sink.written.join(" ").replace(/[[\]]/g, ""), "A:1 B:2");
    assert.equal(kit.drainer.waiting.size, 0);
  });
}

Deno.test("Drainer: a socket that buffers nothing, or cannot signal, is checked every 5 ms", async () => {
  for (const buffered of [0, 2_000_000]) {
    using kit = new DrainerKit();
    const { session, sink } = kit.session();
    sink.room = 0;
    sink.buffered = buffered;
    sink.whenTaken = () => false;
    kit.publish(session, "A");
    await kit.pass(100);
    assert.ok(sink.looks >= 18 && sink.looks <= 22, `${sink.looks} looks`);
    sink.room = 1;
    await kit.pass(5);
    assert.deepEqual([sink.written, kit.drainer.waiting.size], [["A:1"], 0]);
    const { looks } = sink;
    await kit.pass(1000);
    assert.equal(sink.looks, looks);
  }
});

Deno.test("Drainer: batches and rated messages are sent when they are due", async () => {
  using kit = new DrainerKit();
  const batch = kit.session({ batchMs: 50 });
  const rated = kit.session({ latest: true, maxRate: 10 });
  for (const { session } of [batch, rated]) {
    kit.publish(session, "A");
    kit.publish(session, "A");
  }
  assert.deepEqual([batch.sink.take(), rated.sink.take()], [[], ["A:3"]]);
  await kit.pass(49);
  assert.deepEqual([batch.sink.take(), rated.sink.take()], [[], []]);
  await kit.pass(2);
  assert.deepEqual([batch.sink.take(), rated.sink.take()], [["[A:1 A:2]"], []]);
  await kit.pass(49);
  assert.deepEqual([batch.sink.take(), rated.sink.take()], [[], ["A:4"]]);
  assert.equal(kit.drainer.waiting.size, 0);
});

Deno.test("Drainer: many sessions due at once are drained in slices, with other work in between", async () => {
  using kit = new DrainerKit();
  const { scheduler } = kit;
  const all = Array.from({ length: 100 }, () => {
    const { session, sink } = kit.session();
    sink.room = 0;
    sink.buffered = 2_000_000;
    kit.publish(session, "A");
    const write = sink.write.bind(sink);
    sink.write = (publications) => {
      scheduler.now += 1;
      return write(publications);
    };
    return sink;
  });
  for (const sink of all) sink.read();
  const count = () => all.filter(({ written }) => written.length > 0).length;
  const seen: number[] = [];
  const other = setInterval(() => seen.push(count()), 1);
  await kit.scheduler.run(() => count() === 100, 10_000);
  clearInterval(other);
  const most = Math.max(...seen.map((at, i) => at - (seen[i - 1] ?? 0)));
  assert.equal(most, 4, "a slice is 4 ms long");
  assert.equal(kit.drainer.waiting.size, 0);
});

Deno.test("Drainer: sessions that write the same in one slice share its bytes", async () => {
  using kit = new DrainerKit();
  const seen = new Set<JoinedEvents>();
  for (let i = 0; i < 3; i++) {
    const { session, sink } = kit.session({ batchMs: 10 });
    session.drain = (joined) => {
      seen.add(joined);
      return "nothing";
    };
    kit.drainer.add(session, "time");
    assert.equal(sink.written.length, 0);
  }
  await kit.pass(10);
  assert.equal(seen.size, 1);
});

Deno.test("Drainer: a closed session is removed, even while others are drained", async () => {
  using kit = new DrainerKit();
  const [first, second] = [kit.session(), kit.session()];
  for (const { session, sink } of [first, second]) {
    sink.room = 0;
    sink.buffered = 1;
    kit.publish(session, "A");
  }
  const write = first.sink.write.bind(first.sink);
  first.sink.write = (publications) => {
    kit.drainer.delete(second.session);
    return write(publications);
  };
  first.sink.read();
  second.sink.read();
  await kit.pass(10);
  assert.deepEqual([first.sink.written, second.sink.written], [["A:1"], []]);
  assert.equal(kit.drainer.waiting.size, 0);
  // Its socket signals later, as a closed one does.
  second.sink.read();
  await kit.pass(10);
  assert.deepEqual(second.sink.written, []);
});

Deno.test("Drainer: a session that throws is reported, and the others continue", async () => {
  using kit = new DrainerKit();
  const [broken, good] = [kit.session({ batchMs: 1 }), kit.session({ batchMs: 1 })];
  broken.sink.writeBatch = () => {
    throw new TypeError("failed on purpose");
  };
  for (const { session } of [broken, good]) kit.publish(session, "A");
  await kit.pass(10);
  assert.deepEqual(kit.failed, [broken.session]);
  assert.deepEqual([good.sink.written, kit.drainer.waiting.size], [["[A:2]"], 0]);
});
