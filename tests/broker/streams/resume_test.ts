import assert from "node:assert/strict";
import type { Replay, ReplayStatus } from "../../../broker/log/fanout.ts";
import { Hub } from "../../../broker/streams/hub.ts";
import { Interest } from "../../../broker/messages/interest.ts";
import { MemoryFanout } from "../../../broker/log/memory_fanout.ts";
import type { Publication } from "../../../broker/messages/message.ts";
import { addToSession, beginSession } from "../../../broker/streams/resume.ts";
import type { SessionMode } from "../../../broker/streams/session.ts";
import { FakeSink } from "./fake_sink.ts";

/**
 * A fanout whose replays read a store: each step takes a while, during which more is published, and
 * returns a few messages.
 */
class StoreFanout extends MemoryFanout {
  stepMessages = 3;
  status: ReplayStatus = "full";
  /** Called while a replay reads; may publish messages in between. */
  onRead: (step: number) => void = () => {};
  fails = false;
  readonly all: Publication[] = [];

  constructor() {
    super({ retentionMs: 60_000, recentMaxBytes: 10_000_000 });
  }

  send(...deviceIds: string[]): void {
    const from = this.log.position;
    this.publish(deviceIds.map((deviceId) => ({ deviceId, payload: `"${deviceId}"` })));
    const everything = this.log.after(from, Interest.EVERYTHING, Infinity)!;
    this.all.push(...everything.found);
  }

  override async since(cursor: string, interest: Interest): Promise<Replay> {
    await turn();
    const replay = await super.since(cursor, interest);
    if (replay.status === "none") return replay;
    let at = replay.at;
    let step = 0;
    const read = async (): Promise<readonly Publication[]> => {
      await turn();
      this.onRead(++step);
      if (this.fails) throw new Error("the store is unavailable");
      const next = this.all.filter(({ offset }) => offset > at).slice(0, this.stepMessages);
      at = next.at(-1)?.offset ?? at;
      return next.filter(({ deviceId }) => interest.matches(deviceId));
    };
    const status = () => this.status;
    return {
      get status() {
        return status();
      },
      get at() {
        return at;
      },
      next: read,
    };
  }
}

const turn = () => new Promise<void>((resolve) => setTimeout(resolve));

class ResumeKit implements AsyncDisposable {
  readonly fanout = new StoreFanout();
  readonly hub = new Hub(this.fanout, {
    limits: { maxPerDevice: 100, maxBytes: 1_000_000 },
    keepaliveSeconds: 3600,
    staleSeconds: 300,
    onDrop: () => {},
  });
  readonly gone = new AbortController();

  constructor() {
    this.fanout.start(this.hub);
  }

  session(ids: string, mode: SessionMode = {}) {
    const sink = new FakeSink();
    return { sink, session: this.hub.open(sink, Interest.parse([ids], 500), mode) };
  }

  /** Messages and `resumed`, without what is written at the opening. */
  static story(sink: FakeSink): string[] {
    return sink.written.filter((item) => item !== "open");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hub[Symbol.dispose]();
    await this.fanout[Symbol.asyncDispose]();
  }
}

Deno.test("beginSession() without a cursor is live in the same turn", async () => {
  await using kit = new ResumeKit();
  kit.fanout.send("A");
  const { session, sink } = kit.session("A");
  const begun = beginSession(kit.hub, session, { signal: kit.gone.signal });
  kit.fanout.send("A");
  await begun;
  assert.deepEqual([sink.written, sink.ids], [["open", "A:2"], [kit.hub.cursor(1)]]);
});

Deno.test("beginSession() has no gap and no repeat, however the log moves while it reads", async () => {
  for (const published of [0, 1, 2, 3, 5]) {
    await using kit = new ResumeKit();
    for (let i = 0; i < 10; i++) kit.fanout.send("A", "B");
    let left = 12;
    kit.fanout.onRead = () => {
      for (let i = 0; i < published && left > 0; i++, left--) kit.fanout.send("A", "B");
    };
    const { session, sink } = kit.session("A");
    const { signal } = kit.gone;
    await beginSession(kit.hub, session, { cursor: kit.hub.cursor(4), signal });
    kit.fanout.send("A");
    const last = kit.fanout.log.position;
    const wanted = kit.fanout.all.filter(({ deviceId, offset }) => deviceId === "A" && offset > 4);
    const story = ResumeKit.story(sink);
    const at = story.findIndex((item) => item.startsWith("resumed"));
    assert.equal(story[at], `resumed {"status":"full","replayed":${at}}`);
    assert.deepEqual(story.toSpliced(at, 1), wanted.map(({ offset }) => `A:${offset}`));
    assert.equal(story.at(-1), `A:${last}`);
  }
});

Deno.test("beginSession() keeps the position of what was written, while it reads and after", async () => {
  await using kit = new ResumeKit();
  for (let i = 0; i < 9; i++) kit.fanout.send("A");
  const { session, sink } = kit.session("A");
  const positions: (string | undefined)[] = [];
  kit.fanout.onRead = () => positions.push(session.position(kit.hub.cursor));
  const { signal } = kit.gone;
  await beginSession(kit.hub, session, { cursor: kit.hub.cursor(0), signal });
  assert.deepEqual(positions, [0, 3, 6].map((offset) => kit.hub.cursor(offset)));
  assert.deepEqual(sink.ids, [undefined, kit.hub.cursor(9)]);
});

Deno.test("beginSession() reports partial if a replay becomes partial on its way", async () => {
  await using kit = new ResumeKit();
  for (let i = 0; i < 9; i++) kit.fanout.send("A");
  const { session, sink } = kit.session("A");
  kit.fanout.onRead = (step) => {
    if (step === 2) kit.fanout.status = "partial";
  };
  const { signal } = kit.gone;
  await beginSession(kit.hub, session, { cursor: kit.hub.cursor(0), signal });
  assert.equal(sink.written.at(-1), 'resumed {"status":"partial","replayed":9}');
});

Deno.test("beginSession() with only a snapshot sends no resumed, unless something is missing", async () => {
  for (const status of ["full", "partial"] as const) {
    await using kit = new ResumeKit();
    kit.fanout.send("A");
    kit.fanout.status = status;
    const { session, sink } = kit.session("A");
    await beginSession(kit.hub, session, { snapshot: true, signal: kit.gone.signal });
    const resumed = status === "full" ? [] : ['resumed {"status":"partial","replayed":0}'];
    assert.deepEqual(ResumeKit.story(sink), ['snapshot "A"', ...resumed]);
  }
});

Deno.test("beginSession() with a snapshot and an invalid cursor continues from the snapshot", async () => {
  await using kit = new ResumeKit();
  kit.fanout.send("A");
  const { session, sink } = kit.session("A");
  // The cursor is checked after the snapshot, and that takes a while.
  const { signal } = kit.gone;
  const begun = beginSession(kit.hub, session, { cursor: "forged", snapshot: true, signal });
  kit.fanout.send("A");
  await begun;
  kit.fanout.send("A");
  assert.deepEqual(sink.written.slice(1), [
    'snapshot "A"',
    'resumed {"status":"none","replayed":0}',
    "A:2",
    "A:3",
  ]);
});

Deno.test("beginSession() ends with its client, and does not attach one that is gone", async () => {
  for (const how of ["closed", "aborted"] as const) {
    await using kit = new ResumeKit();
    for (let i = 0; i < 30; i++) kit.fanout.send("A");
    const { session, sink } = kit.session("A");
    kit.fanout.onRead = (step) => {
      if (step !== 3) return;
      if (how === "closed") kit.hub.close(session);
      else kit.gone.abort();
    };
    const { signal } = kit.gone;
    await beginSession(kit.hub, session, { cursor: kit.hub.cursor(0), signal });
    kit.fanout.send("A");
    assert.equal(session.live, false);
    assert.deepEqual(ResumeKit.story(sink).length, 6);
    assert.equal(kit.hub.devicesMonitored, 0);
  }
});

Deno.test("beginSession() waits for a client that reads slowly, and reads no further meanwhile", async () => {
  await using kit = new ResumeKit();
  for (let i = 0; i < 9; i++) kit.fanout.send("A");
  const { session, sink } = kit.session("A");
  let reads = 0;
  kit.fanout.onRead = () => reads++;
  sink.room = 2;
  const { signal } = kit.gone;
  const begun = beginSession(kit.hub, session, { cursor: kit.hub.cursor(0), signal });
  for (let i = 0; i < 20; i++) await turn();
  assert.deepEqual([ResumeKit.story(sink), reads], [["A:1", "A:2"], 1]);
  // A ping carries what was sent already: its id must not be below that.
  assert.equal(session.position(kit.hub.cursor), kit.hub.cursor(2));
  sink.room = Infinity;
  await begun;
  assert.equal(sink.written.at(-1), 'resumed {"status":"full","replayed":9}');
});

Deno.test("beginSession() fails if the store fails", async () => {
  await using kit = new ResumeKit();
  kit.fanout.send("A");
  kit.fanout.fails = true;
  const { session } = kit.session("A");
  const { signal } = kit.gone;
  await assert.rejects(
    beginSession(kit.hub, session, { cursor: kit.hub.cursor(0), signal }),
    /store is unavailable/,
  );
  assert.equal(session.live, false);
});

Deno.test("beginSession() with mode=latest replays the newest of each device, then is live", async () => {
  await using kit = new ResumeKit();
  for (let i = 0; i < 10; i++) kit.fanout.send("A", "B");
  kit.fanout.onRead = (step) => {
    if (step === 5) kit.fanout.send("C", "A");
  };
  const { session, sink } = kit.session("*", { latest: true });
  const { signal } = kit.gone;
  await beginSession(kit.hub, session, { cursor: kit.hub.cursor(0), signal });
  assert.deepEqual(ResumeKit.story(sink), [
    "B:20",
    "C:21",
    "A:22",
    'resumed {"status":"full","replayed":3}',
  ]);
});

Deno.test("addToSession() replays without a gap while the session's other devices continue", async () => {
  await using kit = new ResumeKit();
  for (let i = 0; i < 6; i++) kit.fanout.send("A", "B");
  const { session, sink } = kit.session("A");
  kit.hub.attach(session);
  kit.fanout.onRead = (step) => {
    if (step < 5) kit.fanout.send("A", "B");
  };
  const { signal } = kit.gone;
  const [named, all] = [Interest.parse(["B"], 9), Interest.parse(["A,B"], 9)];
  await addToSession(kit.hub, session, named, { all, cursor: kit.hub.cursor(2), signal });
  kit.fanout.send("A", "B");
  const offsets = (id: string, after: number) =>
    kit.fanout.all.filter(({ deviceId, offset }) => deviceId === id && offset > after);
  const story = ResumeKit.story(sink);
  assert.deepEqual(
    story.filter((item) => item.startsWith("A")),
    offsets("A", 12).map(({ offset }) => `A:${offset}`),
  );
  const b = offsets("B", 2);
  assert.deepEqual(
    story.filter((item) => !item.startsWith("A")),
    [
      ...b.slice(0, -1).map(() => 'message "B"'),
      `resumed {"status":"full","replayed":${b.length - 1}}`,
      `B:${b.at(-1)!.offset}`,
    ],
  );
});

Deno.test("addToSession() leaves the session intact if its replay fails or its client leaves", async () => {
  await using kit = new ResumeKit();
  for (let i = 0; i < 9; i++) kit.fanout.send("A");
  const { session, sink } = kit.session("B");
  kit.hub.attach(session);
  const { signal } = kit.gone;
  const [named, all] = [Interest.parse(["A"], 9), Interest.parse(["A,B"], 9)];
  const add = () =>
    addToSession(kit.hub, session, named, { all, cursor: kit.hub.cursor(0), signal });
  kit.fanout.fails = true;
  await assert.rejects(add(), /store is unavailable/);
  kit.fanout.send("A");
  assert.deepEqual(ResumeKit.story(sink), ["A:10"], "nothing is held back any more");
  kit.fanout.fails = false;
  kit.fanout.onRead = () => kit.hub.close(session);
  await add();
  kit.fanout.send("A");
  assert.equal(ResumeKit.story(sink).length, 1);
  assert.equal(kit.hub.devicesMonitored, 0);
});
