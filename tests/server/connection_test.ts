import assert from "node:assert/strict";
import { Connection } from "../../server/connection.ts";
import { FakeConn } from "../kit/fake_conn.ts";
import { VirtualTime } from "./virtual_time.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** A connection in virtual time, with the other side in the test's hands. */
class Kit implements Disposable {
  readonly time = new VirtualTime();
  readonly fake = new FakeConn();
  readonly connection = new Connection(this.fake.conn);
  /** How often it reported that it is closed. */
  closed = 0;

  constructor() {
    this.connection.onClosed = () => this.closed++;
  }

  get written(): string {
    return textOf(this.fake.written);
  }

  [Symbol.dispose](): void {
    this.connection.close();
    this.time[Symbol.dispose]();
  }
}

Deno.test("Connection writes in order to a socket that takes one byte at a time, and counts the bytes taken", async () => {
  using kit = new Kit();
  kit.fake.atOnce = 1;
  const { connection } = kit;
  const counts: number[] = [];
  const count = () => {
    counts.push(connection.taken + connection.buffered);
    connection.whenTaken(count);
  };
  connection.whenTaken(count);
  for (const text of ["one ", "two ", "", "three"]) connection.write(bytesOf(text));
  assert.equal(connection.buffered, 13);
  await kit.time.settle();
  assert.equal(kit.written, "one two three");
  assert.deepEqual([connection.taken, connection.buffered], [13, 0]);
  assert.deepEqual(counts, Array(13).fill(13));
});

Deno.test("Connection keeps what a socket does not take, and writes it once it does", async () => {
  using kit = new Kit();
  const { fake, connection } = kit;
  fake.room = 0;
  const big = new Uint8Array(300_000).fill(97);
  for (const bytes of [bytesOf("x"), big, bytesOf("y"), bytesOf("z")]) connection.write(bytes);
  await kit.time.pass(60_000);
  assert.deepEqual([connection.taken, connection.buffered], [0, 300_003]);
  assert.equal(kit.closed, 0);
  fake.room = Infinity;
  await kit.time.settle();
  assert.deepEqual([connection.taken, connection.buffered], [300_003, 0]);
  assert.equal(kit.written, `x${"a".repeat(300_000)}yz`);
});

Deno.test("Connection.end() sends what was written, closes its sending side, and waits for the client's", async () => {
  using kit = new Kit();
  const { fake, connection } = kit;
  fake.room = 0;
  connection.write(bytesOf("the end"));
  connection.end();
  connection.write(bytesOf("too late"));
  await kit.time.settle();
  assert.deepEqual([fake.sentEnd, fake.closed, connection.over], [false, false, true]);
  fake.room = Infinity;
  await kit.time.settle();
  assert.equal(kit.written, "the end");
  assert.deepEqual([fake.sentEnd, fake.closed], [true, false]);
  fake.send(bytesOf("still here"));
  await kit.time.settle();
  assert.equal(kit.closed, 0);
  fake.endSending();
  await connection.closed;
  assert.deepEqual([kit.closed, fake.closed], [1, true]);
  await connection.closed;
});

Deno.test("Connection closes 2 s after end() if the client reads nothing of the rest", async () => {
  using kit = new Kit();
  const { fake, connection } = kit;
  fake.room = 5;
  connection.write(new Uint8Array(100));
  await kit.time.settle();
  connection.end();
  assert.ok(await kit.time.until(() => fake.closed, 2_001), "still lingering");
  assert.ok(kit.time.now >= 2_000);
  assert.deepEqual([kit.closed, connection.buffered], [1, 0]);
});

Deno.test("Connection closes soon after end() if the client has read everything and stays connected", async () => {
  using kit = new Kit();
  kit.connection.write(new Uint8Array(100));
  kit.connection.end();
  assert.ok(await kit.time.until(() => kit.fake.closed, 4_001), "still lingering");
});

Deno.test("Connection lets a slow client read the rest, but not forever", async () => {
  using kit = new Kit();
  const { fake, connection } = kit;
  fake.room = 0;
  connection.write(new Uint8Array(20));
  connection.end();
  for (let i = 0; i < 20; i++) {
    await kit.time.pass(1_900);
    assert.equal(kit.closed, 0);
    fake.room = 1;
  }
  await kit.time.settle();
  assert.equal(fake.written.length, 20);
  assert.equal(fake.sentEnd, true);

  using trickle = new Kit();
  trickle.fake.room = 0;
  trickle.connection.write(new Uint8Array(1_000));
  trickle.connection.end();
  const timer = setInterval(() => trickle.fake.room = 1, 1_900);
  assert.ok(
    await trickle.time.until(() => trickle.fake.closed, 60_001),
    "it waits forever for a byte at a time",
  );
  clearInterval(timer);
});

Deno.test("Connection closes on a reset, while it reads or writes", async () => {
  using reading = new Kit();
  const read = reading.connection.read(new Uint8Array(10));
  reading.fake.reset();
  assert.equal(await read, undefined);
  assert.equal(reading.closed, 1);

  using writing = new Kit();
  writing.fake.room = 0;
  writing.connection.write(new Uint8Array(10));
  await writing.time.settle();
  writing.fake.reset();
  await writing.connection.closed;
  assert.equal(writing.closed, 1);
});

Deno.test("Connection keeps writing to a client that closed its sending side", async () => {
  using kit = new Kit();
  const { fake, connection } = kit;
  fake.send(bytesOf("last words"));
  fake.endSending();
  const into = new Uint8Array(100);
  assert.equal(await connection.read(into), 10);
  assert.equal(await connection.read(into), undefined);
  assert.deepEqual([kit.closed, connection.over], [0, false]);
  connection.write(bytesOf("heard"));
  await kit.time.settle();
  assert.equal(kit.written, "heard");
  connection.end();
  await kit.time.settle();
  assert.equal(kit.closed, 1, "nothing is left to wait for");
});

Deno.test("Connection writes the rest to a client that closed its sending side while it ends", async () => {
  using kit = new Kit();
  const { fake, connection } = kit;
  fake.room = 0;
  connection.write(bytesOf("the end"));
  connection.end();
  fake.endSending();
  assert.equal(await connection.read(new Uint8Array(10)), undefined);
  assert.equal(kit.closed, 0);
  fake.room = Infinity;
  await kit.time.settle();
  assert.equal(kit.written, "the end");
  assert.equal(kit.closed, 1);
});

Deno.test("Connection closes once, and reads and writes nothing afterwards", async () => {
  using kit = new Kit();
  const { fake, connection } = kit;
  const read = connection.read(new Uint8Array(10));
  connection.close();
  connection.close();
  connection.end();
  connection.write(bytesOf("x"));
  assert.equal(await read, undefined);
  assert.equal(await connection.read(new Uint8Array(10)), undefined);
  await connection.closed;
  await kit.time.pass(60_000);
  assert.deepEqual([kit.closed, kit.written, connection.buffered], [1, "", 0]);
  assert.equal(fake.sentEnd, false);
});

Deno.test("Connection reads occasional input immediately", async () => {
  using kit = new Kit();
  const into = new Uint8Array(1_024);
  for (let second = 0; second < 600; second++) {
    kit.fake.send(new Uint8Array(1_024));
    const before = kit.time.now;
    assert.equal(await kit.connection.read(into), 1_024);
    assert.equal(kit.time.now, before);
    await kit.time.pass(1_000);
  }
});

Deno.test("Connection.whenTaken() calls back once, when bytes are taken or it is closed", async () => {
  using kit = new Kit();
  const { fake, connection } = kit;
  const calls: string[] = [];
  fake.room = 0;
  connection.write(bytesOf("abc"));
  for (const name of ["a", "b"]) connection.whenTaken(() => calls.push(name));
  await kit.time.settle();
  assert.equal(calls.length, 0);
  fake.room = 1;
  await kit.time.settle();
  assert.deepEqual(calls, ["a", "b"]);
  connection.whenTaken(() => calls.push("c"));
  fake.room = 0;
  connection.close();
  assert.deepEqual(calls, ["a", "b", "c"]);
});
