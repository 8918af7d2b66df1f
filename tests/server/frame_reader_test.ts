import assert from "node:assert/strict";
import fc from "fast-check";
import { FrameReader } from "../../server/frame_reader.ts";

const TEXT = 0x1;
const CLOSE = 0x8;
const PING = 0x9;
const encoder = new TextEncoder();

/** A frame as a client writes it. */
function masked(opcode: number, payload: Uint8Array, { fin = true, rsv = 0 } = {}): Uint8Array {
  const { length } = payload;
  const size = length < 126
    ? [length]
    : length < 65_536
    ? [126, length >> 8, length & 255]
    : [127, 0, 0, 0, 0, length >>> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255];
  const mask = [7, 99, 0, 255];
  const head = [(fin ? 0x80 : 0) | rsv | opcode, 0x80 | size[0]!, ...size.slice(1), ...mask];
  return Uint8Array.from([...head, ...payload.map((byte, i) => byte ^ mask[i % 4]!)]);
}

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

const join = (frames: readonly Uint8Array[]) => Uint8Array.from(frames.flatMap((f) => [...f]));

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

Deno.test("FrameReader judges a message by the length that it declares", () => {
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
    ["an extension", masked(TEXT, encoder.encode("a"), { rsv: 0x40 }), 1002],
    ["an unknown opcode", masked(0x3, encoder.encode("a")), 1002],
    ["a ping in fragments", masked(PING, encoder.encode("a"), { fin: false }), 1002],
    ["a fragment of nothing", masked(0, encoder.encode("a")), 1002],
    ["a text that is no UTF-8", masked(TEXT, Uint8Array.from([0xc3, 0x28])), 1007],
    ["a close with half a code", masked(CLOSE, Uint8Array.from([3])), 1002],
    ["a close with a code that nobody sends", masked(CLOSE, Uint8Array.from([3, 0xed])), 1002],
  ] as const
) {
  Deno.test(`FrameReader refuses ${what}, and reads nothing behind it`, () => {
    assert.deepEqual(read([bytes, masked(TEXT, encoder.encode("b"))]), [{ violation: code }]);
  });
}

Deno.test("FrameReader tells the code of a close, and 1005 where there is none", () => {
  assert.deepEqual(read([masked(CLOSE, Uint8Array.from([3, 0xe8, 98]))]), [{ close: 1000 }]);
  assert.deepEqual(read([masked(CLOSE, new Uint8Array(0))]), [{ close: 1005 }]);
});
