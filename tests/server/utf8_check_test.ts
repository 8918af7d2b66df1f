import assert from "node:assert/strict";
import fc from "fast-check";
import { Utf8Check } from "../../server/utf8_check.ts";

/** How many bytes a decoder takes before it refuses one; all of them if it refuses none. */
function taken(bytes: Uint8Array): number {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for (let i = 0; i < bytes.length; i++) {
    try {
      decoder.decode(bytes.subarray(i, i + 1), { stream: true });
    } catch {
      return i;
    }
  }
  return bytes.length;
}

function checked(bytes: Uint8Array): number {
  const check = new Utf8Check();
  return bytes.findIndex((_, i) => !check.push(bytes.subarray(i, i + 1)));
}

const orAll = (at: number, { length }: Uint8Array) => at < 0 ? length : at;

Deno.test("Utf8Check refuses the same byte as a decoder, for every first byte", () => {
  const some = [0, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff];
  for (let first = 0; first < 256; first++) {
    for (const second of some) {
      for (const third of [0x7f, 0x80, 0xbf, 0xc0]) {
        const bytes = Uint8Array.of(first, second, third, 0x80, 0x80);
        assert.equal(orAll(checked(bytes), bytes), taken(bytes), `${bytes}`);
      }
    }
  }
});

Deno.test("Utf8Check accepts every text, and as many bytes of any input as a decoder", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    assert.equal(checked(new TextEncoder().encode(text)), -1);
  }));
  const byte = fc.oneof(
    fc.integer({ min: 0, max: 255 }),
    fc.constantFrom(0xe0, 0xed, 0xf0, 0xf4, 0x80, 0x90, 0xa0, 0xbf),
  );
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 12 }), (values) => {
      const bytes = Uint8Array.from(values);
      assert.equal(orAll(checked(bytes), bytes), taken(bytes));
    }),
    { numRuns: 500 },
  );
});
