import assert from "node:assert/strict";
import { Connection } from "../../server/connection.ts";
import { EventOutput } from "../../server/event_output.ts";
import { FakeConn } from "../kit/fake_conn.ts";
import { VirtualTime } from "./virtual_time.ts";

const HEAD = "HTTP/1.1 200 OK\r\n\r\n";
const END = "0\r\n\r\n";
const bytesOf = (text: string) => new TextEncoder().encode(text);
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;

/** An event stream in virtual time, with the client in the test's hands. */
class Kit implements Disposable {
  readonly time = new VirtualTime();
  readonly fake = new FakeConn();
  readonly connection = new Connection(this.fake.conn);
  gone = 0;
  readonly output = new EventOutput(this.connection, () => this.gone++);

  write(text: string): void {
    this.output.write(bytesOf(text));
  }

  start(): void {
    this.output.start(bytesOf(HEAD));
  }

  get written(): string {
    return new TextDecoder().decode(this.fake.written);
  }

  /** How often a comment was written. */
  get comments(): number {
    return this.written.split(": keep-alive").length - 1;
  }

  [Symbol.dispose](): void {
    this.connection.close();
    this.time[Symbol.dispose]();
  }
}

Deno.test("EventOutput holds what is written before the head, counts it, and writes it after the head", async () => {
  using kit = new Kit();
  kit.write("data: 1\n\n");
  assert.equal(kit.output.buffered, chunk("data: 1\n\n").length);
  kit.start();
  kit.write("data: 2\n\n");
  await kit.time.settle();
  assert.equal(kit.written, HEAD + chunk("data: 1\n\n") + chunk("data: 2\n\n"));
  assert.deepEqual([kit.output.buffered, kit.output.taken], [0, kit.written.length]);
});

Deno.test("EventOutput ends with the last chunk, also on a socket that takes one byte at a time", async () => {
  using kit = new Kit();
  kit.fake.atOnce = 1;
  kit.start();
  kit.write("data: 1\n\n");
  kit.output.end();
  kit.write("data: too late\n\n");
  assert.equal(kit.output.isOpen, false);
  await kit.time.settle();
  assert.equal(kit.written, HEAD + chunk("data: 1\n\n") + END);
  assert.equal(kit.fake.sentEnd, true);
  kit.fake.endSending();
  await kit.connection.closed;
  assert.equal(kit.gone, 1);
});

Deno.test("EventOutput that ended before its head is still written completely", async () => {
  using kit = new Kit();
  kit.write("data: 1\n\n");
  kit.output.end();
  kit.start();
  await kit.time.settle();
  assert.equal(kit.written, HEAD + chunk("data: 1\n\n") + END);
});

Deno.test("EventOutput is closed soon after its end if the client reads nothing", async () => {
  using kit = new Kit();
  kit.fake.room = 100;
  kit.start();
  kit.write("x".repeat(1_000));
  await kit.time.settle();
  kit.output.end();
  assert.ok(await kit.time.until(() => kit.fake.closed, 4_001), "still lingering");
  assert.equal(kit.gone, 1);
  assert.equal(kit.written.endsWith(END), false);
});

Deno.test("EventOutput.abandon() writes no last chunk, so the client can tell that the stream was cut off", async () => {
  using kit = new Kit();
  kit.start();
  kit.write("data: 1\n\n");
  await kit.time.settle();
  kit.output.abandon();
  assert.equal(kit.gone, 1);
  assert.equal(kit.written, HEAD + chunk("data: 1\n\n"));
});

Deno.test("EventOutput keeps serving a client that has only closed its sending side", async () => {
  using kit = new Kit();
  kit.start();
  kit.fake.endSending();
  await kit.connection.read(new Uint8Array(10));
  const over = kit.output.outlivePeer();
  await kit.time.pass(3_600_000);
  assert.deepEqual([kit.gone, kit.output.isOpen], [0, true]);
  assert.ok(kit.comments > 0 && kit.comments < 8, `${kit.comments}`);
  kit.write("data: still\n\n");
  await kit.time.settle();
  assert.ok(kit.written.endsWith(chunk("data: still\n\n")));
  kit.output.end();
  await over;
  assert.equal(kit.gone, 1);
  assert.ok(kit.written.endsWith(END));
});

Deno.test("EventOutput detects within 2 s that a client is gone, also on a slow network", async () => {
  for (const roundTripMs of [1, 40, 900]) {
    using kit = new Kit();
    kit.start();
    kit.fake.endSending();
    await kit.connection.read(new Uint8Array(10));
    const over = kit.output.outlivePeer();
    // The first byte that reaches the client is answered with a reset.
    setTimeout(() => kit.fake.vanish(), roundTripMs);
    assert.ok(await kit.time.until(() => kit.gone === 1, 2_000), `${roundTripMs}`);
    await over;
  }
});

Deno.test("EventOutput writes no comments to a client that does not read", async () => {
  using kit = new Kit();
  kit.start();
  kit.fake.room = 0;
  kit.write("data: 1\n\n");
  kit.fake.endSending();
  await kit.connection.read(new Uint8Array(10));
  const before = kit.output.buffered;
  const over = kit.output.outlivePeer();
  await kit.time.pass(10_000);
  assert.equal(kit.output.buffered, before);
  kit.output.abandon();
  await over;
});
