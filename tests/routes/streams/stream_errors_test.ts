/** Invalid commands, and connections that are not worth keeping. */

import assert from "node:assert/strict";
import { eventually } from "../../kit/eventually.ts";
import { frame, HANDSHAKE } from "../raw.ts";
import { everyServer, range } from "../rig.ts";

const BAD: readonly (readonly [sent: string, code: string])[] = [
  ["", "bad_json"],
  ["hello", "bad_json"],
  ['{"action":"ping"', "bad_json"],
  ['{"action":"ping","x":' + "[".repeat(2_000) + "]".repeat(2_000) + "}", "bad_json"],
  ["null", "unknown_action"],
  ["5", "unknown_action"],
  ["[]", "unknown_action"],
  ["{}", "unknown_action"],
  ['{"action":"dance"}', "unknown_action"],
  ['{"action":"Subscribe","device_ids":["A"]}', "unknown_action"],
  ['{"action":["subscribe"],"device_ids":["A"]}', "unknown_action"],
  ['{"action":"subscribe"}', "bad_device_ids"],
  ['{"action":"subscribe","device_ids":[]}', "bad_device_ids"],
  ['{"action":"subscribe","device_ids":"A"}', "bad_device_ids"],
  ['{"action":"subscribe","device_ids":[1]}', "bad_device_ids"],
  ['{"action":"subscribe","device_ids":[" ",""]}', "bad_device_ids"],
  ['{"action":"unsubscribe","device_ids":["  "]}', "bad_device_ids"],
  ['{"action":"unsubscribe"}', "bad_device_ids"],
  ['{"action":"subscribe","device_ids":["A"],"since":5}', "bad_since"],
  ['{"action":"subscribe","device_ids":["A"],"snapshot":"yes"}', "bad_snapshot"],
  [`{"action":"subscribe","device_ids":["${"x".repeat(129)}"]}`, "device_id_too_long"],
  [
    JSON.stringify({ action: "subscribe", device_ids: range(1, 501).map(String) }),
    "too_many_device_ids",
  ],
  [
    JSON.stringify({ action: "subscribe", device_ids: range(1, 500).map(String) }),
    "too_many_device_ids",
  ],
];

everyServer.test("an invalid command gets an error with a code, and the connection stays", async ({ start, t }) => {
  await using rig = await start();
  await using client = await rig.ws("device_ids=A");
  for (const [sent, code] of BAD) {
    await t.step(`${sent.slice(0, 60)} is ${code}`, async () => {
      const from = client.events.items.length;
      client.send(sent);
      const { data, id } = await client.waitForEvent("error", { from });
      const error = JSON.parse(data);
      assert.deepEqual(Object.keys(error), ["message", "code"]);
      assert.deepEqual([error.code, typeof error.message, id], [code, "string", undefined]);
    });
  }
  rig.publish("A", 1);
  await client.waitForMessages(1);
  assert.deepEqual([...rig.hub.sessions][0]!.interest.items, ["A"]);
});

everyServer.test("the error of a command names the field and says what it must be", async ({ start }) => {
  await using rig = await start();
  await using client = await rig.ws("device_ids=A");
  const texts = [
    ['{"action":"subscribe"}', "device_ids: is missing"],
    ['{"action":"subscribe","device_ids":"A"}', "device_ids: must be a list"],
    ['{"action":"subscribe","device_ids":[]}', "device_ids: must not be empty"],
    ['{"action":"subscribe","device_ids":[1]}', "device_ids.0: must be a text"],
    ['{"action":"subscribe","device_ids":["A"],"since":5}', "since: must be a text"],
    [
      '{"action":"subscribe","device_ids":["A"],"snapshot":"yes"}',
      "snapshot: must be true or false",
    ],
  ] as const;
  for (const [sent, message] of texts) {
    const from = client.events.items.length;
    client.send(sent);
    const { data } = await client.waitForEvent("error", { from });
    assert.equal(JSON.parse(data).message, message);
  }
});

everyServer.test("binary garbage is an error like any other", async ({ start }) => {
  await using rig = await start();
  await using client = await rig.ws("device_ids=A");
  const sizes = [0, 1, 1000, 65_536];
  for (const size of sizes) {
    client.sendBytes(crypto.getRandomValues(new Uint8Array(size)));
  }
  client.sendBytes(new TextEncoder().encode('{"action":"ping"}'));
  await client.events.waitForCount(sizes.length + 1, ({ event }) => event === "error");
  assert.ok(client.events.items.every(({ data }) => JSON.parse(data).code === "bad_json"));
  rig.publish("A", 1);
  await client.waitForMessages(1);
});

everyServer.test("a frame of 64 KiB is read, one over it closes with 1009", async ({ start }) => {
  await using rig = await start();
  const text = (bytes: number) => {
    const command = '{"action":"ping","more":"';
    return command + "x".repeat(bytes - command.length - 2) + '"}';
  };
  await using fits = await rig.ws("device_ids=A");
  fits.send(text(65_536));
  await fits.waitForEvent("ping");
  // Bytes count, not characters.
  const ñ = `{"action":"ping","more":"${"ñ".repeat(32_768)}"}`;
  for (const long of [text(65_537), text(1_000_000), ñ]) {
    await using client = await rig.ws("device_ids=A");
    client.send(long);
    assert.equal((await client.waitForClose()).code, 1009);
  }
  await using client = await rig.ws("device_ids=A");
  client.sendBytes(new Uint8Array(65_537));
  assert.equal((await client.waitForClose()).code, 1009);
  await eventually("one session is left", () => rig.hub.sessions.size === 1);
});

everyServer.test("100 errors in a minute are tolerated, one more closes with 1008", async ({ start }) => {
  await using rig = await start();
  await using client = await rig.ws("device_ids=A");
  for (const _ of range(1, 100)) client.send("nonsense");
  await client.events.waitForCount(100, ({ event }) => event === "error");
  rig.publish("A", 1);
  await client.waitForMessages(1);
  client.send("nonsense");
  assert.equal((await client.waitForClose()).code, 1008);
  await eventually("the session is gone", () => rig.hub.sessions.size === 0);
});

everyServer.test("errors sent all at once end with 1008 too, not with a broken connection", async ({ start }) => {
  await using rig = await start();
  await using client = await rig.ws("device_ids=A");
  for (const _ of range(1, 130)) client.send("nonsense");
  assert.equal((await client.waitForClose()).code, 1008);
  assert.equal(client.events.items.length, 101);
});

everyServer.test("a frame over 64 KiB ends with 1009 even if others follow it", async ({ start }) => {
  await using rig = await start();
  await using client = await rig.ws("device_ids=A");
  client.send("x".repeat(65_537));
  for (const _ of range(1, 5)) client.send("nonsense");
  assert.equal((await client.waitForClose()).code, 1009);
});

everyServer.test("a client that sends commands and does not read is closed before its answers fill the memory", async ({ start }) => {
  await using rig = await start({ env: { MAX_COMMANDS_PER_SECOND: "1000000" } });
  await using connection = await rig.raw();
  // Together with the id in its query, as many as it may have.
  const ids = range(1, 499).map((n) => `${n}`.padEnd(120, "x"));
  await connection.request(`/api/v1/stream?device_ids=A`, HANDSHAKE);
  assert.equal((await connection.head()).status, 101);
  await eventually("the session", () => rig.hub.sessions.size === 1);
  const [session] = rig.hub.sessions;
  let most = 0;
  await connection.write(frame(JSON.stringify({ action: "subscribe", device_ids: ids })));
  await eventually("it has them", () => session!.interest.items.length === 500);
  // Each answer is a thousand times as large as its command.
  const small = frame('{"action":"unsubscribe","device_ids":["A"]}');
  const many = new Uint8Array(small.length * 100);
  for (let i = 0; i < 100; i++) many.set(small, i * small.length);
  await eventually("the server has had enough", async () => {
    await connection.write(many).catch(() => {});
    most = Math.max(most, session!.sink.buffered);
    return session!.closed;
  }, { intervalMs: 1, timeoutMs: 40_000 });
  assert.ok(most < 8_000_000, `${most} bytes`);
  assert.equal(rig.hub.sessions.size, 0);
});

everyServer.test("frames that violate the protocol end their own connection and no other", async ({ start }) => {
  await using rig = await start();
  await using healthy = await rig.ws("device_ids=A");
  const broken: Record<string, Uint8Array> = {
    "reserved bits": frame("{}", { rsv: 7 }),
    "reserved opcode": frame("{}", { opcode: 3 }),
    "reserved control opcode": frame("", { opcode: 11 }),
    "control frame in pieces": frame("", { opcode: 9, fin: false }),
    "ping over 125 bytes": frame("x".repeat(126), { opcode: 9 }),
    "continuation of nothing": frame("{}", { opcode: 0 }),
    "text that is not UTF-8": frame(new Uint8Array([0xc3, 0x28, 0xff])),
    "2 GB declared": frame("x", { length: 2 ** 31 }),
    "2^60 bytes declared": frame("x", { length: 2 ** 60 }),
    "close with one byte": frame("x", { opcode: 8 }),
  };
  await using stack = new AsyncDisposableStack();
  const connections = await Promise.all(
    Object.entries(broken).map(async ([name, bytes]) => {
      const connection = stack.use(await rig.raw());
      await connection.request("/api/v1/stream?device_ids=A", HANDSHAKE);
      assert.equal((await connection.head()).status, 101, name);
      await connection.write(bytes);
      return connection;
    }),
  );
  await eventually("their sessions are gone", () => rig.hub.sessions.size === 1);
  // All at once, since the server gives each some time to answer its close.
  await Promise.all(connections.map((connection) => connection.end()));
  rig.publish("A", 1);
  await healthy.waitForMessages(1);
});

everyServer.test("a fragmented command, with a ping in between, is one command", async ({ start }) => {
  await using rig = await start();
  await using connection = await rig.raw();
  await connection.request("/api/v1/stream?device_ids=A", HANDSHAKE);
  await connection.head();
  await connection.write(frame('{"action":', { fin: false }));
  await connection.write(frame("beat", { opcode: 9 }));
  await connection.write(frame('"ping"}', { opcode: 0 }));
  const pong = await connection.frame();
  assert.equal(pong?.opcode, 10);
  assert.equal(new TextDecoder().decode(pong.payload), "beat");
  const ping = await connection.frame();
  assert.match(new TextDecoder().decode(ping?.payload), /^\{"event":"ping"/);
  await connection.write(frame(new Uint8Array([0x03, 0xe8]), { opcode: 8 }));
  assert.equal(await connection.closeCode(), 1000);
});
