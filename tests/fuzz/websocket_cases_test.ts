/** The WebSocket protocol case by case, like the Autobahn suite: bytes in, bytes out. */

import assert from "node:assert/strict";
import { eventually } from "../kit/eventually.ts";
import { closeFrame, concat, frame, HANDSHAKE } from "../routes/raw.ts";
import { everyServer, range } from "../routes/rig.ts";

/** The connection stays open, or is closed with a code. */
type Outcome = "stays" | number;

const PING = '{"action":"ping"}';
const bytes = (...values: number[]) => new Uint8Array(values);

const CASES: Readonly<Record<string, readonly [sent: Uint8Array, outcome: Outcome]>> = {
  // Framing, text and binary
  "an empty text": [frame(""), "stays"],
  "a text of 125 bytes": [frame("x".repeat(125)), "stays"],
  "a text of 126 bytes": [frame("x".repeat(126)), "stays"],
  "a text of 65,535 bytes": [frame("x".repeat(65_535)), "stays"],
  "a text of 65,536 bytes": [frame("x".repeat(65_536)), "stays"],
  "a text of 65,537 bytes": [frame("x".repeat(65_537)), 1009],
  "a binary of 65,537 bytes": [frame("x".repeat(65_537), { opcode: 2 }), 1009],
  "a text of 1 MB": [frame("x".repeat(1_048_576)), 1009],
  "a length that is not minimal": [bytes(0x81, 0xfe, 0, 2, 0, 0, 0, 0, 0x7b, 0x7d), 1002],
  "2 GB declared": [frame("x", { length: 2 ** 31 }), 1009],
  "2^60 bytes declared": [frame("x", { length: 2 ** 60 }), 1009],
  "2^63 bytes declared": [frame("x", { length: 2 ** 63 }), 1002],
  // Pings and pongs
  "an empty ping": [frame("", { opcode: 9 }), "stays"],
  "a ping of 125 bytes": [frame("x".repeat(125), { opcode: 9 }), "stays"],
  "a ping of bytes that are not UTF-8": [frame(bytes(0, 255, 254), { opcode: 9 }), "stays"],
  "a ping of 126 bytes": [frame("x".repeat(126), { opcode: 9 }), 1002],
  "an unsolicited pong": [frame("x", { opcode: 10 }), "stays"],
  "1,000 pings": [concat(...range(1, 1000).map(() => frame("x", { opcode: 9 }))), "stays"],
  // Reserved
  ...Object.fromEntries(
    range(1, 7).map((rsv) => [`reserved bits ${rsv}`, [frame("{}", { rsv }), 1002]] as const),
  ),
  "reserved bits of a ping": [frame("", { opcode: 9, rsv: 4 }), 1002],
  ...Object.fromEntries(
    [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) =>
      [`opcode ${opcode}`, [frame("", { opcode }), 1002]] as const
    ),
  ),
  // Fragments
  "a text in two pieces": [
    concat(frame('{"action":', { fin: false }), frame('"ping"}', { opcode: 0 })),
    "stays",
  ],
  "a text byte by byte, with pings between": [
    concat(
      frame("{", { fin: false }),
      ...[...'"action":"ping"'].flatMap((char) => [
        frame("x", { opcode: 9 }),
        frame(char, { opcode: 0, fin: false }),
      ]),
      frame("}", { opcode: 0 }),
    ),
    "stays",
  ],
  "a ping in pieces": [
    concat(frame("a", { opcode: 9, fin: false }), frame("b", { opcode: 0 })),
    1002,
  ],
  "a pong in pieces": [frame("a", { opcode: 10, fin: false }), 1002],
  "a continuation of nothing": [frame("{}", { opcode: 0 }), 1002],
  "a continuation of nothing, unfinished": [frame("{}", { opcode: 0, fin: false }), 1002],
  "a text within a text": [concat(frame("{", { fin: false }), frame("}")), 1002],
  "a continuation after the end": [
    concat(frame("{", { fin: false }), frame("}", { opcode: 0 }), frame("x", { opcode: 0 })),
    1002,
  ],
  "65,537 bytes in pieces": [
    concat(
      frame("x".repeat(60_000), { fin: false }),
      frame("x".repeat(5_537), { opcode: 0 }),
    ),
    1009,
  ],
  // UTF-8
  "text of every length of UTF-8": [frame('"añ€𐍈"'), "stays"],
  "a character that is split over frames": [
    concat(frame(bytes(0x22, 0xce), { fin: false }), frame(bytes(0xba, 0x22), { opcode: 0 })),
    "stays",
  ],
  "a broken character": [frame(bytes(0xc3, 0x28)), 1007],
  "a broken character, split": [
    concat(frame(bytes(0x22, 0xce), { fin: false }), frame(bytes(0x20, 0x22), { opcode: 0 })),
    1007,
  ],
  "a surrogate": [frame(bytes(0xed, 0xa0, 0x80)), 1007],
  "beyond Unicode": [frame(bytes(0xf4, 0x90, 0x80, 0x80)), 1007],
  "an overlong form": [frame(bytes(0xc0, 0xaf)), 1007],
  "a character without its end": [frame(bytes(0x22, 0xe2, 0x82)), 1007],
  // Closing
  "a close without a code": [frame("", { opcode: 8 }), 1000],
  "a close with half a code": [frame("x", { opcode: 8 }), 1002],
  "a close with a reason that is not UTF-8": [
    frame(bytes(3, 232, 0xc3, 0x28), { opcode: 8 }),
    1007,
  ],
  "a close in pieces": [frame("", { opcode: 8, fin: false }), 1002],
  "a close of 126 bytes": [closeFrame(1000, "x".repeat(124)), 1002],
  "a close with the longest reason": [closeFrame(1000, "x".repeat(123)), 1000],
  "a command after the close": [concat(closeFrame(1000), frame(PING)), 1000],
  "a ping after the close": [concat(closeFrame(1000), frame("", { opcode: 9 })), 1000],
  ...Object.fromEntries(
    [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999].map((code) =>
      [`a close with ${code}`, [closeFrame(code), code]] as const
    ),
  ),
  ...Object.fromEntries(
    [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535].map((code) =>
      [`a close with ${code}, which must not be sent`, [closeFrame(code), 1002]] as const
    ),
  ),
};

/**
 * Deno's WebSocket cuts the connection on a protocol error, so that a client sees 1006, except for
 * invalid close codes.
 */
function atFallback(name: string, ours: Outcome): Outcome | "cut" {
  const broken = ours === 1002 || ours === 1007;
  return AT_FALLBACK[name] ?? (broken && !/^a close with \d/.test(name) ? "cut" : ours);
}

const AT_FALLBACK: Readonly<Record<string, Outcome | "cut">> = {
  "a length that is not minimal": "stays",
  "2 GB declared": "cut",
  "2^60 bytes declared": "cut",
  "2^63 bytes declared": "cut",
  "a close without a code": 1005,
  "a close of 126 bytes": 1000,
};

everyServer.test("each case of the protocol ends as expected, and no other client is affected", async ({ start, t }) => {
  await using rig = await start();
  await using other = await rig.ws("device_ids=A");
  let n = 0;
  for (const [name, [sent, ours]] of Object.entries(CASES)) {
    const outcome = rig.server === "fallback" ? atFallback(name, ours) : ours;
    await t.step(`${name}: ${outcome}`, async () => {
      await using connection = await rig.raw();
      await connection.request("/api/v1/stream?device_ids=B", HANDSHAKE);
      assert.equal((await connection.head()).status, 101);
      // If the connection is cut, the rest may not be accepted.
      await connection.write(sent).catch(() => {});
      if (outcome === "stays") {
        await connection.write(frame("the end", { opcode: 9 }));
        await connection.pong("the end");
      } else {
        assert.equal(await connection.closeCode() ?? "cut", outcome);
      }
      rig.publish("A", ++n);
      await other.waitForMessages(n);
    });
  }
  await eventually("they are gone", () => rig.hub.sessions.size === 1);
});

everyServer.test("an invalid handshake gets an answer and no session", async ({ start, t }) => {
  await using rig = await start();
  const lines = (change: Record<string, string | undefined>) =>
    HANDSHAKE.flatMap((line) => {
      const name = line.split(":")[0]!;
      if (!(name in change)) return [line];
      return change[name] === undefined ? [] : [`${name}: ${change[name]}`];
    });
  const cases: readonly (readonly [Record<string, string | undefined>, status: number])[] = [
    [{ "Sec-WebSocket-Key": undefined }, 400],
    [{ "Connection": "keep-alive" }, 400],
    [{ "Sec-WebSocket-Version": undefined }, 426],
    [{ "Sec-WebSocket-Version": "12" }, 426],
    [{ "Sec-WebSocket-Version": "13, 8" }, 426],
  ];
  for (const [change, expected] of cases) {
    await t.step(JSON.stringify(change), async () => {
      await using connection = await rig.raw();
      await connection.request("/api/v1/stream?device_ids=A", lines(change));
      const { status, headers } = await connection.head();
      assert.equal(status, expected);
      assert.equal(headers.get("sec-websocket-version"), expected === 426 ? "13" : null);
      assert.equal(headers.get("content-type"), "application/problem+json");
    });
  }
  assert.equal(rig.hub.totals.ws.connections, 0);
});

everyServer.test("a client that never answers a close keeps its own connection for a moment, and nothing else", async ({ start }) => {
  await using rig = await start({ env: { MAX_CONNECTIONS: "1" } });
  await using connection = await rig.raw();
  await connection.request("/api/v1/stream?device_ids=A", HANDSHAKE);
  await connection.head();
  await connection.write(frame("x".repeat(70_000)));
  assert.equal(await connection.closeCode(), 1009);
  assert.equal(rig.hub.sessions.size, 0);
  // Deno's WebSocket waits for the client without a limit.
  if (rig.server === "fallback") await connection[Symbol.asyncDispose]();
  await eventually("its connection is gone", async () => {
    const response = await rig.fetch("/api/v1/stream");
    await response.body?.cancel();
    return response.status === 200;
  });
});
