import assert from "node:assert/strict";
import { JoinedEvents } from "../../../broker/streams/client_frame.ts";
import { Interest } from "../../../broker/messages/interest.ts";
import { Session, type SessionMode } from "../../../broker/streams/session.ts";
import { EPOCH, FakeSink, publication } from "./fake_sink.ts";

function session(mode: SessionMode = {}) {
  const sink = new FakeSink();
  const log = { sent: 0, dropped: [] as string[], waiting: 0 };
  const one = new Session(sink, Interest.parse(["A,B"], 10), {
    mode,
    limits: { maxPerDevice: 2, maxBytes: 1000 },
    events: {
      onSent: (count) => void (log.sent += count),
      onDrop: (deviceId) => void log.dropped.push(deviceId),
      onWaiting: () => void log.waiting++,
    },
  });
  const publish = (...items: [string, number][]) => {
    for (const [id, offset] of items) one.add(publication(id, offset));
    one.flush(new JoinedEvents());
  };
  return { session: one, sink, log, publish };
}

const head = (offset = 99) => EPOCH.cursor(offset);

Deno.test("Session: a turn is written whole, once", () => {
  const { session: one, sink, log } = session();
  assert.equal(one.add(publication("A", 1)), true);
  assert.equal(one.add(publication("A", 2)), false);
  one.flush(new JoinedEvents());
  one.flush(new JoinedEvents());
  assert.deepEqual([sink.take(), one.sent, log.sent], [["A:1", "A:2"], 2, 2]);
  assert.equal(one.add(publication("A", 3)), true);
  one.closed = true;
  one.flush(new JoinedEvents());
  assert.deepEqual(sink.written, []);
});

Deno.test("Session.position(): what was reached before it is live, then the head, less what waits", () => {
  const { session: one, sink, publish } = session();
  assert.equal(one.position(head), undefined);
  one.reach(EPOCH.cursor(5));
  assert.equal(one.position(head), EPOCH.cursor(5));
  one.goLive();
  assert.equal(one.position(head), EPOCH.cursor(99));
  sink.room = 1;
  publish(["A", 96], ["B", 97], ["A", 98]);
  assert.equal(one.position(head), EPOCH.cursor(96));
  sink.room = Infinity;
  assert.equal(one.drain(new JoinedEvents()), "nothing");
  assert.equal(one.position(head), EPOCH.cursor(99));
});

Deno.test("Session.hold() leaves devices to their replay, including waiting messages after its cursor", () => {
  const { session: one, sink, publish } = session();
  one.goLive();
  sink.room = 0;
  publish(["A", 1], ["B", 2], ["A", 3]);
  one.hold(Interest.parse(["A"], 1), 1);
  assert.equal(one.position(head), undefined);
  assert.equal(one.add(publication("A", 4)), false);
  publish(["A", 5], ["B", 6]);
  one.replayWithoutIds([publication("A", 3), publication("A", 4), publication("A", 5)]);
  one.release();
  publish(["A", 7]);
  sink.room = Infinity;
  one.drain(new JoinedEvents());
  assert.deepEqual(sink.written, [
    "message 3",
    "message 4",
    "message 5",
    "A:1",
    "B:2",
    "B:6",
    "A:7",
  ]);
  assert.equal(one.sent, 7);
});

Deno.test("Session.want() drops waiting messages of devices that are not wanted any more", () => {
  const { session: one, sink, publish } = session();
  one.goLive();
  sink.room = 0;
  publish(["A", 1], ["B", 2], ["A", 3], ["A", 4]);
  assert.equal(one.admitsPresence("A", "online"), false);
  one.want(Interest.parse(["B"], 1));
  sink.room = Infinity;
  assert.equal(one.drain(new JoinedEvents()), "nothing");
  assert.deepEqual(sink.written, ["B:2"]);
  assert.deepEqual(one.queued, { messages: 0, bytes: 0 });
});

Deno.test("Session.admitsPresence(): a change is sent at once, or the newest state of each device later", () => {
  const { session: one, sink, log } = session();
  assert.equal(one.admitsPresence("A", "online"), false);
  assert.deepEqual([sink.take(), log.waiting], [[], 0]);
  one.goLive();
  assert.equal(log.waiting, 1);
  assert.equal(one.admitsPresence("A", "stale"), false);
  assert.equal(one.admitsPresence("B", "online"), false, "behind what waits");
  assert.equal(one.drain(new JoinedEvents()), "nothing");
  const told = (id: string, state: string) => `presence {"device_id":"${id}","state":"${state}"}`;
  assert.deepEqual(sink.take(), [told("A", "stale"), told("B", "online")]);
  assert.equal(one.admitsPresence("A", "online"), true);
  sink.room = 0;
  assert.equal(one.admitsPresence("A", "stale"), false);
  assert.equal(one.drain(new JoinedEvents()), "socket");
  assert.deepEqual(sink.written, []);
});

Deno.test("Session.replay() writes what the socket takes, in batches if they were asked for", () => {
  const { session: plain, sink, log } = session();
  sink.room = 2;
  const three = [1, 2, 3].map((offset) => publication("A", offset));
  assert.equal(plain.replay(three, new JoinedEvents()), 2);
  assert.deepEqual([sink.written, plain.sent, log.sent], [["A:1", "A:2"], 2, 2]);
  const batched = session({ batchMs: 50 });
  assert.equal(batched.session.replay(three, new JoinedEvents()), 3);
  assert.deepEqual(batched.sink.written, ["[A:1 A:2 A:3]"]);
});
