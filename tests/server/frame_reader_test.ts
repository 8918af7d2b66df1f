import assert from "node:assert/strict";
import fc from "fast-check";
import { FrameReader } from "../../server/frame_reader.ts";
import { clientFrame as masked, concat } from "../kit/clients/client_frames.ts";

const TEXT = 0x1;
const CLOSE = 0x8;
const PING = 0x9;
const encoder = new TextEncoder();

function read(chunks: readonly Uint8Array[], maxMessageBytes = 65_536): unknown[] {
  const told: unknown[] = [];
  const reader = new FrameReader({
    onMessage: (data) => told.push(typeof data === "string" ? data : new Uint8Array(data)),
    onPing: (payload) => told.push({ ping: [...payload] }),
    onClose: (code) => told.push({ close: code }),
    onViolation: (code) => told.push({ violation: code }),
  }, maxMessageBytes);
  for (const chunk of chunks) reader.push(chunk);
  return told;
}

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!;
    chunks.push(bytes.slice(at, at + size));
    at += size;
  }
  return chunks;
}

const join = (frames: readonly Uint8Array[]) => concat(...frames);

Deno.test("FrameReader reads the same messages however their bytes are cut", () => {
  fc.assert(fc.property(
    fc.array(fc.string({ unit: "binary", maxLength: 300 }), { minLength: 1, maxLength: 6 }),
    fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 5 }),
    (texts, sizes) => {
      const bytes = join(texts.map((text) => masked(TEXT, encoder.encode(text))));
      assert.deepEqual(read(cut(bytes, sizes)), texts);
    },
  ));
});

Deno.test("FrameReader joins fragments, with a ping between them", () => {
  const bytes = join([
    masked(TEXT, encoder.encode("uno "), { fin: false }),
    masked(PING, encoder.encode("p")),
    masked(0, encoder.encode("dos"), { fin: true }),
  ]);
  assert.deepEqual(read([bytes]), [{ ping: [112] }, "uno dos"]);
});

Deno.test("FrameReader checks a message by its declared length", () => {
  const declared = Uint8Array.from([0x81, 0xff, 0, 0, 0, 0, 0x80, 0, 0, 0, 1, 2, 3, 4]);
  assert.deepEqual(read([declared]), [{ violation: 1009 }]);
  const half = masked(TEXT, new Uint8Array(40).fill(97), { fin: false });
  assert.deepEqual(read([half, masked(0, new Uint8Array(40).fill(97))], 64), [{ violation: 1009 }]);
  const whole = masked(TEXT, new Uint8Array(65_536).fill(97));
  assert.deepEqual(read(cut(whole, [1_000])), ["a".repeat(65_536)]);
});

Deno.test("FrameReader refuses endless fragments without content", () => {
  const part = masked(0, new Uint8Array(0), { fin: false });
  const parts = [masked(TEXT, new Uint8Array(0), { fin: false }), ...Array(2_000).fill(part)];
  assert.deepEqual(read(parts), [{ violation: 1009 }]);
});

for (
  const [what, bytes, code] of [
    ["a frame without a mask", Uint8Array.from([0x81, 1, 97]), 1002],
    ["an extension", masked(TEXT, encoder.encode("a"), { rsv: 4 }), 1002],
    ["an unknown opcode", masked(0x3, encoder.encode("a")), 1002],
    ["a ping in fragments", masked(PING, encoder.encode("a"), { fin: false }), 1002],
    ["a continuation without a message", masked(0, encoder.encode("a")), 1002],
    ["a text that is not UTF-8", masked(TEXT, Uint8Array.from([0xc3, 0x28])), 1007],
    ["a close with half a code", masked(CLOSE, Uint8Array.from([3])), 1002],
    ["two bytes for a length of 125", masked(TEXT, "x".repeat(125), { lengthBytes: 2 }), 1002],
    ["eight bytes for a length of 125", masked(TEXT, "x".repeat(125), { lengthBytes: 8 }), 1002],
    [
      "eight bytes for a length of 65,535",
      masked(TEXT, "x".repeat(65_535), { lengthBytes: 8 }),
      1002,
    ],
    ["a length of 2^63", masked(TEXT, "", { length: 2n ** 63n }), 1002],
    ["a length of 2^63 - 1", masked(TEXT, "", { length: 2n ** 63n - 1n }), 1009],
    ["a text within a text", join([masked(TEXT, "a", { fin: false }), masked(TEXT, "b")]), 1002],
    ["a reason that is not UTF-8", masked(CLOSE, Uint8Array.from([3, 0xe8, 0xff])), 1007],
    ["a close with a reserved code", masked(CLOSE, Uint8Array.from([3, 0xed])), 1002],
  ] as const
) {
  Deno.test(`FrameReader refuses ${what}, and reads nothing after it`, () => {
    assert.deepEqual(read([bytes, masked(TEXT, encoder.encode("b"))]), [{ violation: code }]);
  });
}

Deno.test("FrameReader reports the code of a close, or 1005 if there is none", () => {
  assert.deepEqual(read([masked(CLOSE, Uint8Array.from([3, 0xe8, 98]))]), [{ close: 1000 }]);
  assert.deepEqual(read([masked(CLOSE, new Uint8Array(0))]), [{ close: 1005 }]);
});

Deno.test("FrameReader accepts a minimally encoded length", () => {
  for (const length of [0, 125, 126, 65_535, 65_536]) {
    const text = "x".repeat(length);
    assert.deepEqual(read([masked(TEXT, text)]), [text]);
    assert.deepEqual(read(cut(masked(TEXT, text), [1])), [text]);
  }
});

Deno.test("FrameReader reports a violation at the first byte that shows it", () => {
  const cases: readonly (readonly [string, Uint8Array, number])[] = [
    ["a reserved bit", masked(TEXT, "abc", { rsv: 1 }), 2],
    ["an unknown opcode", masked(0xb, "abc"), 2],
    ["a frame without a mask", masked(TEXT, "abc", { isMasked: false }), 2],
    ["a long ping", masked(PING, "x".repeat(126)), 2],
    ["a continuation without a message", masked(0, "abc"), 2],
    ["a frame that is too big", masked(TEXT, "x".repeat(65_537)).subarray(0, 20), 14],
    ["a broken character in a frame", masked(TEXT, Uint8Array.of(97, 0xf4, 0x90, 98, 99)), 6 + 3],
    [
      "a broken character over two frames",
      join([
        masked(TEXT, Uint8Array.of(0xe2), { fin: false }),
        masked(0, Uint8Array.of(0x28, 97, 98)),
      ]),
      7 + 6 + 1,
    ],
  ];
  for (const [what, bytes, at] of cases) {
    const seen = Array.from(bytes, (_, i) => read(cut(bytes.subarray(0, i + 1), [1])).length);
    assert.equal(seen.indexOf(1), at - 1, what);
  }
});

Deno.test("FrameReader allocates only for received bytes of a message that is never completed", () => {
  const readers: FrameReader[] = [];
  const header = masked(TEXT, "x".repeat(65_536)).subarray(0, 14 + 100);
  const before = Deno.memoryUsage().external;
  const handler = { onMessage() {}, onPing() {}, onClose() {}, onViolation() {} };
  for (let i = 0; i < 1_000; i++) {
    const reader = new FrameReader(handler, 65_536);
    reader.push(header);
    assert.ok(reader.isWithin);
    readers.push(reader);
  }
  assert.ok(Deno.memoryUsage().external - before < 5_000_000);
});
