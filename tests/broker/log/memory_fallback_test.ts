import assert from "node:assert/strict";
import { Interest } from "../../../broker/messages/interest.ts";
import { KvFanout } from "../../../broker/log/kv_fanout.ts";
import type { KvCommit } from "../../../broker/store/kv_client.ts";
import { MemoryKv } from "../../../broker/store/memory_kv.ts";
import type { Entry, Publication } from "../../../broker/messages/message.ts";
import { FakeClock } from "../../kit/fake_clock.ts";

/** One instance's access to a file whose disk fails when a test says so. */
class FailingDisk extends MemoryKv {
  full = false;
  reason = "database or disk is full";
  /** Writes are stored, but reported as failed. */
  deaf = false;
  /** Whether the next commit fails. */
  fails: () => boolean = () => false;

  constructor(private readonly file: MemoryKv) {
    super();
  }

  override get(...args: Parameters<MemoryKv["get"]>) {
    return this.file.get(...args);
  }

  override list(...args: Parameters<MemoryKv["list"]>) {
    return this.file.list(...args);
  }

  override async commit(commit: KvCommit) {
    if (this.full || this.fails()) throw new TypeError(this.reason);
    const result = await this.file.commit(commit);
    if (this.deaf) throw new TypeError("disk I/O error");
    return result;
  }

  override watch(...args: Parameters<MemoryKv["watch"]>) {
    return this.file.watch(...args);
  }
}

class World implements AsyncDisposable {
  readonly file = new MemoryKv();
  readonly clock = new FakeClock();
  readonly #fanouts: KvFanout[] = [];

  async open({ isAlone = true } = {}) {
    const disk = new FailingDisk(this.file);
    const fanout = new KvFanout(disk, {
      retentionMs: 60_000,
      recentMaxBytes: 1_000_000,
      onDisk: true,
      clock: this.clock,
    });
    fanout.aloneness = () => isAlone;
    this.#fanouts.push(fanout);
    const seen: Publication[] = [];
    const resets: string[] = [];
    const started = fanout.start({
      onPublications: (batch) => seen.push(...batch),
      onReset: (reason) => resets.push(reason),
    });
    await this.clock.pass(1_000);
    await started;
    const publish = (...entries: Entry[]) => {
      const answer = { stored: false };
      fanout.publish(entries).then(() => answer.stored = true, () => {});
      return answer;
    };
    return { fanout, disk, seen, resets, publish };
  }

  async replay(fanout: KvFanout, cursor: string) {
    const asked = fanout.since(cursor, Interest.EVERYTHING, AbortSignal.timeout(5_000));
    await this.clock.pass(3_000);
    const replay = await asked;
    const found: Publication[] = [];
    let reads = 0;
    while (replay.status !== "none" && replay.at < fanout.log.position) {
      found.push(...await replay.next(2_000));
      assert.ok(++reads < 10_000, "the replay ends");
    }
    return { status: replay.status, found: texts(found) };
  }

  async [Symbol.asyncDispose]() {
    const closing = Promise.all(this.#fanouts.map((fanout) => fanout[Symbol.asyncDispose]()));
    await this.clock.pass(60_000);
    await closing;
  }
}

const message = (deviceId: string, payload: string): Entry => ({ deviceId, payload });
const alarm = (deviceId: string, payload: string): Entry => ({
  deviceId,
  payload,
  job: { partition: deviceId, body: payload },
});
const texts = (publications: readonly { payload: string }[]) =>
  publications.map(({ payload }) => payload);
const jobs = async (file: MemoryKv) =>
  (await file.list({ prefix: ["delivery"] }, { limit: 100 })).map(({ value }) =>
    new TextDecoder().decode(value)
  );

Deno.test("MemoryFallback: two seconds after its disk fails, the log continues in memory, under a new epoch", async () => {
  await using world = new World();
  const { fanout, disk, seen, resets, publish } = await world.open();
  publish(message("a", "1"));
  await world.clock.pass(100);
  const before = seen[0]!.cursor;
  disk.full = true;
  const second = publish(message("a", "2"));
  await world.clock.pass(1_900);
  assert.deepEqual([fanout.state.state, texts(seen)], ["away", ["1"]]);
  await world.clock.pass(300);
  assert.equal(fanout.state.state, "memory");
  assert.deepEqual(texts(seen), ["1", "2"]);
  assert.equal(second.stored, true);
  assert.equal(resets.length, 1);
  assert.deepEqual(await world.replay(fanout, before), { status: "none", found: [] });
  publish(message("a", "3"));
  await world.clock.pass(100);
  assert.deepEqual(await world.replay(fanout, seen[1]!.cursor), { status: "full", found: ["3"] });
});

Deno.test("MemoryFallback: once there is room again, the log is written back and continues without a break", async () => {
  await using world = new World();
  const { fanout, disk, seen, resets, publish } = await world.open();
  publish(message("a", "1"));
  await world.clock.pass(100);
  disk.full = true;
  for (let n = 2; n < 2_000; n++) publish(message(`d${n % 9}`, `${n} ${"x".repeat(200)}`));
  await world.clock.pass(4_000);
  assert.equal(fanout.state.state, "memory");
  disk.full = false;
  await world.clock.pass(4_000);
  assert.equal(fanout.state.state, "ready");
  publish(message("a", "last"));
  await world.clock.pass(3_000);
  assert.equal(resets.length, 1, "sessions continue");
  assert.equal(seen.length, 2_000);
  const another = await world.open();
  for (const each of [fanout, another.fanout]) {
    const { status, found } = await world.replay(each, seen[1]!.cursor);
    assert.deepEqual([status, found.length], ["full", seen.length - 2]);
    assert.deepEqual(found, texts(seen.slice(2)));
  }
  const upto = JSON.parse(new TextDecoder().decode((await world.file.get(["last_upto"]))!.value));
  assert.deepEqual(upto, { epoch: fanout.epoch.id, offset: fanout.log.position });
  assert.equal(another.fanout.log.lastOf("d3")?.payload, fanout.log.lastOf("d3")?.payload);
});

Deno.test("MemoryFallback: if the disk fails again while the log is written back, that is retried later", async () => {
  await using world = new World();
  const { fanout, disk, seen, publish } = await world.open();
  const fill = async (count: number) => {
    for (let n = 0; n < count; n++) publish(message(`d${n % 9}`, `${n} ${"x".repeat(300)}`));
    await world.clock.pass(100);
  };
  disk.full = true;
  await fill(1_000);
  await world.clock.pass(2_500);
  // The test for room, the epoch and the first messages are written; then nothing more.
  let left = 3;
  disk.fails = () => left-- <= 0;
  disk.full = false;
  await world.clock.pass(2_000);
  assert.equal(fanout.state.state, "memory");
  // What has been written back so far is no longer in memory.
  await fill(3_000);
  disk.fails = () => false;
  await world.clock.pass(4_000);
  await fill(1);
  assert.deepEqual([fanout.state.state, seen.length, fanout.pending], ["ready", 4_001, 0]);
  const another = await world.open();
  const { epoch, floor } = another.fanout;
  const { status, found } = await world.replay(another.fanout, epoch.cursor(floor - 1));
  assert.deepEqual([status, found.length], ["full", seen.at(-1)!.offset - floor + 1]);
  assert.deepEqual(found, texts(seen.slice(-found.length)));
});

Deno.test("MemoryFallback: an alarm is not acknowledged before it is stored, and no message of its device overtakes it", async () => {
  await using world = new World();
  const { disk, seen, publish } = await world.open();
  disk.full = true;
  const mixed = publish(message("a", "1"), alarm("b", "alarm"), message("b", "2"));
  await world.clock.pass(3_000);
  const later = publish(message("b", "3"), message("c", "4"));
  const other = publish(message("d", "5"));
  await world.clock.pass(1_000);
  assert.deepEqual(texts(seen), ["1", "4", "5"]);
  assert.deepEqual([mixed, later, other].map(({ stored }) => stored), [false, false, true]);
  disk.full = false;
  await world.clock.pass(4_000);
  assert.deepEqual(texts(seen), ["1", "4", "5", "alarm", "2", "3"]);
  assert.deepEqual([mixed, later, other].map(({ stored }) => stored), [true, true, true]);
  assert.deepEqual(await jobs(world.file), ["alarm"]);
});

Deno.test("MemoryFallback: a commit that failed but was stored is not made twice", async () => {
  await using world = new World();
  const { fanout, disk, seen, publish } = await world.open();
  disk.deaf = true;
  const many = Array.from({ length: 300 }, (_, n) => message(`c${n}`, `${n} ${"x".repeat(500)}`));
  const answer = publish(alarm("a", "alarm"), message("b", "1"), ...many);
  await world.clock.pass(0);
  disk.deaf = false;
  disk.full = true;
  // Reads fail too, until the log continues in memory.
  const { get } = disk;
  disk.get = () => Promise.reject(new TypeError("disk I/O error"));
  await world.clock.pass(3_000);
  assert.equal(fanout.state.state, "memory");
  publish(message("b", "2"));
  for (let n = 0; n < 150; n++) publish(message(`e${n}`, `${n} ${"x".repeat(900)}`));
  await world.clock.pass(100);
  assert.deepEqual(texts(seen).slice(0, 302), ["1", ...texts(many), "2"]);
  disk.get = get;
  disk.full = false;
  await world.clock.pass(4_000);
  assert.equal(fanout.state.state, "ready");
  assert.deepEqual(await jobs(world.file), ["alarm"]);
  assert.equal(answer.stored, true);
  assert.equal(fanout.pending, 0);
  const another = await world.open();
  const start = fanout.epoch.cursor(seen[0]!.offset - 1);
  const { status, found } = await world.replay(another.fanout, start);
  assert.deepEqual([status, found.length], ["full", seen.length]);
  assert.deepEqual(found, texts(seen));
});

Deno.test("MemoryFallback: if another instance has written meanwhile, the log in the file wins", async () => {
  await using world = new World();
  const { fanout, disk, seen, resets, publish } = await world.open();
  publish(message("a", "1"));
  await world.clock.pass(100);
  disk.full = true;
  publish(message("a", "in memory"));
  await world.clock.pass(3_000);
  const inMemory = seen[1]!.cursor;
  const other = await world.open();
  other.publish(message("a", "of another"));
  await world.clock.pass(100);
  disk.full = false;
  await world.clock.pass(4_000);
  assert.equal(fanout.state.state, "ready");
  assert.equal(resets.length, 2);
  assert.equal(fanout.epoch.id, other.fanout.epoch.id);
  assert.equal(fanout.log.lastOf("a")?.payload, "of another");
  assert.deepEqual(await world.replay(fanout, inMemory), { status: "none", found: [] });
  publish(message("a", "next"));
  await world.clock.pass(1_500);
  assert.equal(other.seen.at(-1)?.payload, "next");
});

Deno.test("MemoryFallback: messages wait if other instances are alive", async () => {
  await using world = new World();
  const { fanout, disk, seen, resets, publish } = await world.open({ isAlone: false });
  disk.full = true;
  const answer = publish(message("a", "1"));
  await world.clock.pass(20_000);
  assert.deepEqual([fanout.state.state, answer.stored, resets], ["away", false, []]);
  disk.full = false;
  await world.clock.pass(4_000);
  assert.deepEqual([fanout.state.state, answer.stored, texts(seen)], ["ready", true, ["1"]]);
});

Deno.test("MemoryFallback: messages wait for a slow disk or a locked file", async () => {
  for (const reason of ["the store did not answer a commit within 5000 ms", "database is locked"]) {
    await using world = new World();
    const { fanout, disk, resets, publish } = await world.open();
    disk.full = true;
    disk.reason = reason;
    const answer = publish(message("a", "1"));
    await world.clock.pass(20_000);
    assert.deepEqual([fanout.state.state, answer.stored, resets], ["away", false, []]);
  }
});

Deno.test("MemoryFallback: an instance without messages also notices after a failed write elsewhere", async () => {
  await using world = new World();
  const { fanout, disk } = await world.open();
  disk.full = true;
  const states: string[] = [];
  const passes = async (ms: number) => {
    await world.clock.pass(ms);
    states.push(fanout.state.state);
  };
  await passes(5_000);
  fanout.suspect();
  await passes(3_000);
  disk.full = false;
  await passes(4_000);
  assert.deepEqual(states, ["ready", "memory", "ready"]);
});

Deno.test("MemoryFallback: however often the disk fails, delivered messages are in the log", async () => {
  for (let round = 0; round < 40; round++) {
    await using world = new World();
    for (let i = 0; i < round; i++) world.clock.random();
    const one = await world.open();
    const random = () => world.clock.random();
    let failing = 0;
    one.disk.fails = () => random() < failing;
    let sent = 0;
    for (let turn = 0; turn < 12; turn++) {
      failing = [0, 0.3, 0.9, 1][Math.floor(random() * 4)]!;
      one.disk.deaf = random() < 0.1;
      for (let i = 0; i < 20; i++) {
        const n = sent++;
        const make = random() < 0.02 ? alarm : message;
        one.publish(make(`d${n % 5}`, `${n}`.padEnd(Math.floor(random() * 9_000), " ")));
        await world.clock.pass(random() * 200);
      }
    }
    failing = 0;
    one.disk.deaf = false;
    await world.clock.pass(20_000);
    assert.equal(one.fanout.state.state, "ready");
    assert.equal(one.fanout.pending, 0);
    assert.equal(one.seen.length, sent, `round ${round}`);
    for (let d = 0; d < 5; d++) {
      const ns = one.seen.filter(({ deviceId }) => deviceId === `d${d}`).map((p) => +p.payload);
      assert.deepEqual(ns, ns.toSorted((a, b) => a - b), "in order");
    }
    const another = await world.open();
    const { epoch, floor } = another.fanout;
    const kept = await world.replay(another.fanout, epoch.cursor(floor - 1));
    const given = one.seen.filter((p) => p.epoch.id === epoch.id && p.offset >= floor);
    assert.equal(kept.status, "full");
    assert.deepEqual(kept.found, texts(given), `round ${round}`);
  }
});
