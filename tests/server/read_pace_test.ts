import assert from "node:assert/strict";
import { Connection } from "../../server/connection.ts";
import { INBOUND_SHARE, ReadPace, type ReadShare, STREAM_SHARE } from "../../server/read_pace.ts";
import { FakeConn } from "../kit/fake_conn.ts";
import { VirtualTime } from "./virtual_time.ts";

const READ_BYTES = 1_024;

/** A client that sends without end; what was read of it. */
class Uploader {
  readonly fake = new FakeConn();
  readonly connection = new Connection(this.fake.conn);
  readonly ended: Promise<void>;

  constructor(bytes: number, share: ReadShare = STREAM_SHARE) {
    this.connection.pace = new ReadPace(share);
    this.fake.send(new Uint8Array(bytes));
    this.ended = this.#read();
  }

  get bytes(): number {
    return this.fake.readBytes;
  }

  async #read(): Promise<void> {
    const into = new Uint8Array(READ_BYTES);
    while (await this.connection.read(into) !== undefined);
  }
}

Deno.test("two of the largest commands are read at once, and what is sent without end slowly", async () => {
  using time = new VirtualTime();
  const client = new Uploader(20_000_000);
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

Deno.test("1,000 clients that send without end are read at a bounded rate together, and each in its turn", async () => {
  using time = new VirtualTime();
  const clients = Array.from({ length: 1_000 }, () => new Uploader(1_000_000));
  await time.pass(1_000);
  const before = clients.map(({ bytes }) => bytes);
  await time.pass(6_000);
  const read = clients.map(({ bytes }, i) => bytes - before[i]!);
  const perSecond = read.reduce((sum, bytes) => sum + bytes, 0) / 6;
  assert.ok(perSecond < 10_000_000, `${perSecond}`);
  assert.ok(Math.min(...read) > 0, "one of them was never read");
  assert.ok(Math.max(...read) < 4 * Math.min(...read), `${Math.min(...read)} ${Math.max(...read)}`);

  // Beside them, who sends little is read at once.
  const quiet = new Uploader(2_000);
  const now = time.now;
  await time.settle();
  assert.equal(quiet.bytes, 2_000);
  assert.equal(time.now, now);
  for (const { connection } of [quiet, ...clients]) connection.close();
  await Promise.all([quiet, ...clients].map(({ ended }) => ended));
});

Deno.test("a client that has sent too much is as others again later", async () => {
  using time = new VirtualTime();
  const client = new Uploader(200_000);
  await time.pass(60_000);
  assert.equal(client.bytes, 200_000);
  client.fake.send(new Uint8Array(65_550));
  await time.settle();
  assert.equal(client.bytes, 265_550);
  client.connection.close();
  await client.ended;
});

Deno.test("who hands in messages is read at 1 MB a second after 2 MB, and no faster", async () => {
  using time = new VirtualTime();
  const client = new Uploader(20_000_000, INBOUND_SHARE);
  await time.settle();
  const burst = client.bytes;
  assert.ok(burst >= 2_097_152 && burst < 2_200_000, `${burst}`);
  await time.pass(5_000);
  const perSecond = (client.bytes - burst) / 5;
  assert.ok(perSecond > 900_000 && perSecond < 1_700_000, `${perSecond}`);
  client.connection.close();
  await client.ended;
});
