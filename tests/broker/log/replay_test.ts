import assert from "node:assert/strict";
import { Interest } from "../../../broker/messages/interest.ts";
import { Epoch, type Publication } from "../../../broker/messages/message.ts";
import { MessageLog } from "../../../broker/log/message_log.ts";
import { LogReplay, NoReplay, type ReadStretch } from "../../../broker/log/replay.ts";
import { EPOCH, publication } from "../publications.ts";

/** A log of messages 1 to 100: memory has the newest, and a store has those from the floor on. */
class World {
  readonly log = new MessageLog({ maxBytes: 1_000_000 });
  floor = 1;
  epoch = EPOCH;
  /** Called before the store reads. */
  onRead = () => {};
  /** Called after the store has read and before it answers. */
  onAnswer = () => {};
  readonly stored: Publication[] = [];

  constructor(memory = 20) {
    for (let offset = 1; offset <= 100; offset++) this.append(offset);
    this.log.trim(100 - memory);
  }

  append(offset: number): void {
    const added = publication(offset, `d${offset % 4}`, { epoch: this.epoch });
    this.log.append(added);
    this.stored.push(added);
  }

  readonly read: ReadStretch = async (after, interest, maxBytes) => {
    this.onRead();
    await Promise.resolve();
    const kept = this.stored.filter(({ offset }) => offset > after && offset >= this.floor);
    const page = kept[0]?.offset === after + 1 ? kept.slice(0, Math.ceil(maxBytes / 10)) : [];
    this.onAnswer();
    return {
      found: page.filter(({ deviceId }) => interest.matches(deviceId)),
      reached: page.at(-1)?.offset ?? after,
      floor: this.floor,
    };
  };

  replay(
    at: number,
    { interest = Interest.EVERYTHING, stored = true } = {},
  ) {
    const options = { at, floor: () => this.floor, epoch: () => this.epoch };
    return new LogReplay(this.log, interest, stored ? this.read : undefined, options);
  }
}

async function all(replay: LogReplay, log: MessageLog, maxBytes = 100): Promise<number[]> {
  const offsets: number[] = [];
  for (let steps = 0; replay.at !== log.position; steps++) {
    assert(steps < 1000, "the replay ends");
    offsets.push(...(await replay.next(maxBytes)).map(({ offset }) => offset));
  }
  return offsets;
}

const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

Deno.test("LogReplay reads the store and then memory, without a gap or a repeat", async () => {
  for (const at of [0, 1, 50, 79, 80, 81, 99, 100]) {
    const world = new World();
    const replay = world.replay(at);
    assert.deepEqual(await all(replay, world.log), range(at + 1, 100));
    assert.equal(replay.status, "full");
  }
});

Deno.test("LogReplay returns what is in memory synchronously, so that its reader can attach", () => {
  const world = new World();
  const replay = world.replay(85);
  const found = replay.next(1_000_000);
  assert(!(found instanceof Promise) && found.length === 15);
  assert.equal(replay.at, world.log.position);
});

Deno.test("LogReplay returns only what is of interest", async () => {
  const world = new World();
  const replay = world.replay(10, { interest: Interest.parse(["d1"], 10) });
  assert.deepEqual(await all(replay, world.log), range(11, 100).filter((n) => n % 4 === 1));
});

Deno.test("LogReplay is full up to the floor, and partial below it", async () => {
  const world = new World();
  world.floor = 31;
  const full = world.replay(30);
  assert.deepEqual(await all(full, world.log), range(31, 100));
  assert.equal(full.status, "full");
  const partial = world.replay(29);
  assert.equal(partial.status, "partial");
  assert.deepEqual(await all(partial, world.log), range(31, 100));
});

Deno.test("LogReplay continues at the floor and is partial if the floor overtakes it", async () => {
  const world = new World();
  const replay = world.replay(0);
  const found = (await replay.next(100)).map(({ offset }) => offset);
  assert.equal(replay.status, "full");
  world.floor = 61;
  found.push(...await all(replay, world.log));
  assert.equal(replay.status, "partial");
  assert.deepEqual(found, [...range(1, 10), ...range(61, 100)]);
});

Deno.test("LogReplay stays full if the floor passes only what it has read", async () => {
  const world = new World();
  const replay = world.replay(0);
  world.onAnswer = () => world.floor = Math.max(world.floor, replay.at + 6);
  assert.deepEqual(await all(replay, world.log), range(1, 100));
  assert.equal(replay.status, "full");
});

Deno.test("LogReplay without a store is partial if memory does not reach back far enough", async () => {
  const world = new World();
  const replay = world.replay(50, { stored: false });
  assert.deepEqual(await all(replay, world.log), range(81, 100));
  assert.equal(replay.status, "partial");
});

Deno.test("LogReplay loses nothing if a read of the store fails", async () => {
  const world = new World();
  const replay = world.replay(0);
  world.onRead = () => {
    throw new Error("away");
  };
  await assert.rejects(async () => await replay.next(100), /away/);
  world.onRead = () => {};
  assert.deepEqual(await all(replay, world.log), range(1, 100));
});

Deno.test("LogReplay is partial once another epoch begins, and continues in that epoch", async () => {
  const begin = (world: World, position: number) => {
    world.epoch = new Epoch("next");
    world.log.reset(position);
    world.floor = position + 1;
    for (let offset = position + 1; offset <= position + 5; offset++) world.append(offset);
  };
  for (const position of [100, 40, 200]) {
    for (const at of [0, 90, 100]) {
      const world = new World();
      const replay = world.replay(at);
      begin(world, position);
      assert.deepEqual(await all(replay, world.log), range(position + 1, position + 5));
      assert.equal(replay.status, "partial");
    }
    const world = new World();
    const replay = world.replay(0);
    world.onAnswer = () => {
      if (world.epoch === EPOCH) begin(world, position);
    };
    assert.deepEqual(await all(replay, world.log), range(position + 1, position + 5));
    assert.equal(replay.status, "partial", "while the store was read");
  }
});

Deno.test("NoReplay is at the head and returns nothing", () => {
  const { log } = new World();
  const replay = new NoReplay(log);
  assert.deepEqual([replay.status, replay.at, replay.next()], ["none", 100, []]);
  log.append(publication(101, "a"));
  assert.equal(replay.at, 101);
});
