import assert from "node:assert/strict";
import { Connection } from "../../server/connection.ts";
import { PONG_BYTES, ServerWebSocket } from "../../server/web_socket.ts";
import { clientClose, clientFrame, concat, serverFrames } from "../kit/clients/client_frames.ts";
import { FakeConn } from "../kit/fake_conn.ts";
import { VirtualTime } from "./virtual_time.ts";

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const LINGER_MS = 2_000;

/** A server's WebSocket in virtual time, with the client in the test's hands. */
class Kit implements Disposable {
  readonly time = new VirtualTime();
  readonly fake = new FakeConn();
  readonly connection = new Connection(this.fake.conn);
  readonly told: unknown[] = [];
  readonly socket = new ServerWebSocket(this.connection, {
    onMessage: (data) => this.told.push(data),
    onTooBig: () => this.told.push("too big"),
    onGone: () => this.told.push("gone"),
  }, 1_000);

  receive(...frames: Uint8Array[]): void {
    this.socket.receive(concat(...frames));
  }

  /** What was sent, as opcodes with texts; a close with its code. */
  get sent(): string[] {
    return serverFrames(this.fake.written).map(({ opcode, payload }) => {
      const text = new TextDecoder().decode(opcode === CLOSE ? payload.slice(2) : payload);
      const code = opcode === CLOSE ? payload[0]! * 256 + payload[1]! : "";
      return `${opcode} ${code}${text}`;
    });
  }

  [Symbol.dispose](): void {
    this.connection.close();
    this.time[Symbol.dispose]();
  }
}

Deno.test("ServerWebSocket answers each ping while its client reads, even byte by byte", async () => {
  using kit = new Kit();
  kit.fake.atOnce = 1;
  kit.receive(...["a", "b", "", "c"].map((text) => clientFrame(PING, text)));
  await kit.time.settle();
  assert.deepEqual(kit.sent, ["10 a", "10 b", "10 ", "10 c"]);
});

Deno.test("ServerWebSocket limits waiting pongs for a client that pings and reads nothing, and answers the newest ping", async () => {
  using kit = new Kit();
  kit.fake.room = 0;
  for (let n = 1; n <= 100_000; n++) {
    kit.receive(clientFrame(PING, String(n).padStart(100, "0")));
    assert.ok(kit.socket.bufferedAmount <= PONG_BYTES + 127, `${n}: ${kit.socket.bufferedAmount}`);
  }
  kit.fake.room = Infinity;
  await kit.time.settle();
  const pongs = kit.sent.map((pong) => Number(pong.slice(3)));
  assert.ok(pongs.length > 10 && pongs.length < 50, `${pongs.length}`);
  assert.equal(pongs[0], 1);
  assert.equal(pongs.at(-1), 100_000);
  assert.deepEqual(pongs, pongs.toSorted((a, b) => a - b));
  kit.receive(clientFrame(PING, "again"));
  await kit.time.settle();
  assert.equal(kit.sent.at(-1), "10 again");
});

Deno.test("ServerWebSocket answers a ping after what a slow client still has to read", async () => {
  using kit = new Kit();
  kit.fake.room = 0;
  kit.socket.send("x".repeat(100_000));
  kit.receive(clientFrame(PING, "p"));
  kit.fake.room = Infinity;
  await kit.time.settle();
  assert.equal(kit.sent.at(-1), "10 p");
});

Deno.test("ServerWebSocket ends immediately when the client answers its close", async () => {
  using kit = new Kit();
  kit.socket.send("last");
  kit.socket.close(1001, "going away");
  kit.socket.send("too late");
  kit.receive(clientFrame(TEXT, "too late"), clientFrame(PING));
  await kit.time.settle();
  assert.deepEqual(kit.sent, ["1 last", "8 1001going away"]);
  assert.deepEqual(kit.told, []);
  kit.receive(clientClose(1001));
  await kit.time.settle();
  assert.equal(kit.fake.sentEnd, true);
  kit.fake.endSending();
  await kit.connection.closed;
  assert.deepEqual(kit.told, ["gone"]);
  assert.equal(kit.time.now, 0);
});

const invalid = Uint8Array.of(0xff);
for (
  const [what, frames, code] of [
    ["a reserved bit", [clientFrame(TEXT, "abc", { rsv: 4 })], 1002],
    ["an unknown opcode", [clientFrame(3, "abc")], 1002],
    ["a frame without a mask", [clientFrame(TEXT, "abc", { isMasked: false })], 1002],
    ["a fragmented ping", [clientFrame(PING, "abc", { fin: false })], 1002],
    ["a long ping", [clientFrame(PING, "x".repeat(70_000))], 1002],
    ["a text within a text", [
      clientFrame(TEXT, "a", { fin: false }),
      clientFrame(TEXT, "b"),
    ], 1002],
    ["a long length", [clientFrame(TEXT, "abc", { lengthBytes: 8 })], 1002],
    ["text that is not UTF-8", [clientFrame(TEXT, invalid)], 1007],
    ["a message that is too big", [clientFrame(TEXT, "x".repeat(70_000))], 1009],
  ] as const
) {
  Deno.test(`ServerWebSocket closes with ${code} for ${what}, and ends immediately`, async () => {
    using kit = new Kit();
    const violated = code === 1009 ? ["too big"] : [];
    for (const byte of concat(...frames)) kit.receive(Uint8Array.of(byte));
    kit.receive(clientFrame(TEXT, "behind it"), clientFrame(PING));
    await kit.time.settle();
    assert.deepEqual(kit.sent.map((sent) => sent.slice(0, 6)), [`8 ${code}`]);
    assert.deepEqual(kit.told, violated);
    assert.equal(kit.fake.sentEnd, true, "still waiting for more");
    kit.receive(clientClose(code));
    await kit.time.settle();
    kit.fake.endSending();
    await kit.connection.closed;
    assert.deepEqual(kit.told, [...violated, "gone"]);
  });
}

for (
  const [what, close, code] of [
    ["half a code", clientFrame(CLOSE, "x"), 1002],
    ["a reserved code", clientClose(1005), 1002],
    ["a reason that is not UTF-8", clientClose(1000, invalid), 1007],
  ] as const
) {
  Deno.test(`ServerWebSocket answers a close with ${what} with ${code}, and ends`, async () => {
    using kit = new Kit();
    kit.receive(close, clientFrame(PING));
    await kit.time.settle();
    assert.deepEqual(kit.sent.map((sent) => sent.slice(0, 6)), [`8 ${code}`]);
    assert.equal(kit.fake.sentEnd, true);
  });
}

Deno.test("ServerWebSocket answers a close with its code, once, and ends", async () => {
  for (const [close, code] of [[clientClose(4123, "bye"), 4123], [clientClose(), 1000]] as const) {
    using kit = new Kit();
    kit.receive(close, clientClose(1000), clientFrame(TEXT, "x"));
    await kit.time.settle();
    assert.deepEqual(kit.sent, [`8 ${code}`]);
    assert.equal(kit.fake.sentEnd, true);
    assert.deepEqual(kit.told, []);
  }
});

Deno.test("ServerWebSocket is gone soon after its close if the client reads nothing or answers nothing", async () => {
  for (const room of [0, Infinity]) {
    using kit = new Kit();
    kit.fake.room = room;
    kit.socket.close(1008, "policy");
    assert.ok(await kit.time.until(() => kit.fake.closed, 2 * LINGER_MS + 1), "still lingering");
    assert.deepEqual(kit.told, ["gone"]);
  }
});

Deno.test("ServerWebSocket lets a slow client read what was sent before the close", async () => {
  using kit = new Kit();
  kit.fake.room = 0;
  kit.socket.send("abcdefgh");
  kit.socket.close(1001, "");
  for (let i = 0; i < 14; i++) {
    await kit.time.pass(LINGER_MS - 1);
    kit.fake.room = 1;
  }
  await kit.time.settle();
  assert.deepEqual(kit.sent, ["1 abcdefgh", "8 1001"]);
});

Deno.test("ServerWebSocket pings at each beat, and ends if nothing arrives between two", async () => {
  using kit = new Kit();
  for (let i = 0; i < 5; i++) {
    kit.socket.beat();
    kit.receive(clientFrame(PONG));
  }
  kit.socket.beat();
  await kit.time.settle();
  assert.deepEqual(kit.sent, Array(6).fill("9 "));
  kit.socket.beat();
  assert.equal(kit.fake.closed, true);
  assert.deepEqual(kit.told, ["gone"]);
});

Deno.test("ServerWebSocket closes a client whose message is not complete within a minute", async () => {
  for (
    const begun of [
      clientFrame(TEXT, "abc").subarray(0, 3),
      clientFrame(TEXT, "abc").subarray(0, 8),
      clientFrame(TEXT, "abc", { fin: false }),
    ]
  ) {
    using kit = new Kit();
    kit.receive(begun);
    for (let i = 0; i < 3; i++) {
      kit.socket.beat();
      await kit.time.pass(20_000);
      kit.receive(begun.length === 9 ? clientFrame(0, "a", { fin: false }) : new Uint8Array());
    }
    assert.equal(kit.socket.isOpen, true);
    kit.socket.beat();
    await kit.time.settle();
    assert.equal(kit.sent.at(-1), "8 1008message timeout");
  }
});

Deno.test("ServerWebSocket accepts fragmented messages for minutes if each is complete in time", async () => {
  using kit = new Kit();
  for (let i = 0; i < 20; i++) {
    kit.receive(clientFrame(TEXT, "a", { fin: false }));
    kit.socket.beat();
    await kit.time.pass(20_000);
    kit.receive(clientFrame(0, "b"));
  }
  assert.equal(kit.told.length, 20);
  assert.equal(kit.socket.isOpen, true);
});

Deno.test("ServerWebSocket is gone when its connection is reset, and sends nothing more", async () => {
  using kit = new Kit();
  kit.fake.room = 0;
  kit.socket.send("x");
  await kit.time.settle();
  kit.fake.reset();
  await kit.connection.closed;
  assert.deepEqual(kit.told, ["gone"]);
  kit.receive(clientFrame(TEXT, "late"), clientFrame(PING), clientClose(1000));
  kit.socket.close(1000, "");
  assert.equal(kit.socket.isOpen, false);
  assert.deepEqual(kit.told, ["gone"]);
});
