import assert from "node:assert/strict";
import { shortened, visible, visibleJson } from "../../../../routes/pages/shared/unseen.ts";

Deno.test("visible() names characters that are invisible or change the text direction", () => {
  assert.equal(visible("bus\u200B-1"), "bus[U+200B]-1");
  assert.equal(visible("\u202Egnp.exe"), "[U+202E]gnp.exe");
  assert.equal(
    visible("a\nb\u0000\u2028\u00AD\u3164\uFE0F"),
    "a[U+000A]b[U+0000][U+2028][U+00AD][U+3164][U+FE0F]",
  );
  assert.equal(visible("tag\u{E0041}"), "tag[U+E0041]");
});

Deno.test("visible() keeps letters of any script, marks and emoji", () => {
  for (
    const text of [
      "\u0645\u0631\u0643\u0628\u0629 7",
      "Bogot\u00E1",
      "\u{1F68C}\u{1F3FD}",
      "e\u0301",
      "<b>&amp;",
      "",
    ]
  ) {
    assert.equal(visible(text), text);
  }
});

Deno.test("visibleJson() names invisible characters and is the same JSON", () => {
  const value = { "a\u202E": ["\u200B", "\u{E0041}", 1, null], b: { c: "\n\u007F" } };
  const text = visibleJson(value);
  assert.deepEqual(JSON.parse(text), value);
  assert.ok(!/[\u202E\u200B\u007F]|\u{E0041}/u.test(text), text);
  assert.match(text, /^\{\n {2}"a\\u202E": \[/);
  assert.equal(visibleJson(undefined), "");
});

Deno.test("shortened() cuts a long text between characters", () => {
  assert.equal(shortened("abcd", 4), "abcd");
  assert.equal(shortened("abcde", 4), "abc…");
  assert.equal(shortened("\u{1F68C}".repeat(5), 4), "\u{1F68C}".repeat(3) + "…");
});
