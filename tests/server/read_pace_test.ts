import assert from "node:assert/strict";
import { Connection } from "../../server/connection.ts";
import { ReadPace, ReadQueue, type ReadShare, STREAM_SHARE } from "../../server/read_pace.ts";
import { FakeConn } from "../kit/fake_conn.ts";
import { VirtualTime } from "./virtual_time.ts";

const READ_BYTES = 1_024;

/** A client that sends endlessly, and what was read from it. */
class Uploader {
  readonly fake = new FakeConn();
  readonly connection = new Connection(this.fake.conn);
  readonly ended: Promise<void>;

  /** @param onRead Takes time to process the bytes. */
  constructor(
    bytes: number,
    queue: ReadQueue,
    share: ReadShare = STREAM_SHARE,
    private readonly onRead: () => void = () => {},
  ) {
    this.connection.pace = new ReadPace(share, queue);
    this.fake.send(new Uint8Array(bytes));
    this.ended = this.#read();
  }

  get bytes(): number {
    return this.fake.readBytes;
  }

  async #read(): Promise<void> {
    const into = new Uint8Array(READ_BYTES);
    while (await this.connection.read(into) !== undefined) this.onRead();
  }
}

Deno.test("two of the largest commands are read immediately, and endless input slowly", async () => {
  using time = new VirtualTime();
  const client = new Uploader(20_000_000, new ReadQueue());
  await time.settle();
  assert.ok(client.bytes >= 2 * 65_550, `${client.bytes}`);
  assert.ok(client.bytes < 200_000, `${client.bytes}`);
  const before = client.bytes;
  await time.pass(10_000);
  const perSecond = (client.bytes - before) / 10;
  assert.ok(perSecond > 200_000 && perSecond < 600_000, `${perSecond}`);
  client.connection.close();
  await client.ended;
});

Deno.test("1,000 clients that send endlessly are read at a limited total rate, each in its turn", async () => {
  using time = new VirtualTime();
  const queue = new ReadQueue();
  const clients = Array.from({ length: 1_000 }, () => new Uploader(1_000_000, queue));
  await time.pass(1_000);
  const before = clients.map(({ bytes }) => bytes);
  await time.pass(6_000);
  const read = clients.map(({ bytes }, i) => bytes - before[i]!);
  const perSecond = read.reduce((sum, bytes) => sum + bytes, 0) / 6;
  assert.ok(perSecond < 20_000_000, `${perSecond}`);
  assert.ok(Math.min(...read) > 0, "one of them was never read");
  assert.ok(Math.max(...read) < 4 * Math.min(...read), `${Math.min(...read)} ${Math.max(...read)}`);

  // A client that sends little is still read immediately.
  const quiet = new Uploader(2_000, queue);
  const now = time.now;
  await time.settle();
  assert.equal(quiet.bytes, 2_000);
  assert.equal(time.now, now);
  for (const { connection } of [quiet, ...clients]) connection.close();
  await Promise.all([quiet, ...clients].map(({ ended }) => ended));
});

Deno.test("a client that sent too much recovers its share later", async () => {
  using time = new VirtualTime();
  const client = new Uploader(200_000, new ReadQueue());
  await time.pass(60_000);
  assert.equal(client.bytes, 200_000);
  client.fake.send(new Uint8Array(65_550));
  await time.settle();
  assert.equal(client.bytes, 265_550);
  client.connection.close();
  await client.ended;
});

Deno.test("input from 1,000 clients takes a limited share of the thread's time, never much at once", async () => {
  using time = new VirtualTime();
  const queue = new ReadQueue();
  const workMs = 0.5;
  let workedMs = 0;
  const work = () => {
    workedMs += workMs;
    time.work(workMs);
  };
  const clients = Array.from(
    { length: 1_000 },
    () => new Uploader(1_000_000, queue, STREAM_SHARE, work),
  );
  // The part of each that is read immediately.
  await time.pass(2_000);
  let before = workedMs;
  const turnMs = 100;
  for (let turn = 0; turn < 50; turn++) {
    await time.pass(turnMs);
    assert.ok(workedMs - before < turnMs, `${workedMs - before} ms of ${turnMs}`);
    before = workedMs;
  }
  const seconds = time.now / 1000;
  // A quarter, and the part of each that is read immediately.
  assert.ok(workedMs / seconds < 400, `${workedMs / seconds} ms a second`);
  assert.ok(Math.min(...clients.map(({ bytes }) => bytes)) > 0);

  // A little input is still read immediately.
  const quiet = new Uploader(2_000, queue);
  await time.settle();
  assert.equal(quiet.bytes, 2_000);
  for (const { connection } of [quiet, ...clients]) connection.close();
  await Promise.all([quiet, ...clients].map(({ ended }) => ended));
});
