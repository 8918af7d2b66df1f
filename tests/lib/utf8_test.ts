import assert from "node:assert/strict";
import { utf8 } from "../../lib/utf8.ts";

Deno.test("utf8() returns the same bytes as TextEncoder, with and without room, short and long", () => {
  const texts = [
    "",
    "a",
    "ñ",
    "🚒",
    "\ud800",
    "x".repeat(125),
    "🚒".repeat(8_192),
    "ñ".repeat(40_000),
  ];
  const all = texts.map((text) => [utf8(text), utf8(text, 10)] as const);
  for (const [i, [bare, roomy]] of all.entries()) {
    const expected = new TextEncoder().encode(texts[i]);
    assert.deepEqual(bare, expected);
    assert.deepEqual(roomy.subarray(10), expected);
  }
});
