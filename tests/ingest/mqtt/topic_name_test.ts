import assert from "node:assert/strict";
import { isTopicFilter } from "../../../ingest/mqtt/topic_filter.ts";
import { checkTopic, InvalidTopicError } from "../../../ingest/mqtt/topic_name.ts";

/** Characters that MQTT 5 forbids or lets a receiver close the connection for (1.5.4). */
function* forbidden(): Generator<string> {
  for (let code = 0; code <= 0x1f; code++) yield String.fromCharCode(code);
  for (let code = 0x7f; code <= 0x9f; code++) yield String.fromCharCode(code);
  for (let code = 0xd800; code <= 0xdfff; code++) yield String.fromCharCode(code);
  for (let code = 0xfdd0; code <= 0xfdef; code++) yield String.fromCharCode(code);
  for (let plane = 0; plane <= 0x10; plane++) {
    yield String.fromCodePoint(plane * 0x10000 + 0xfffe);
    yield String.fromCodePoint(plane * 0x10000 + 0xffff);
  }
}

const GOOD = [
  "a",
  "/",
  "a//b",
  " ",
  "a b",
  "$SYS/x",
  "ñandú/📟",
  "\u200b\ufeff\ufffd",
  "\ufdcf\ufdf0",
  "x".repeat(65_535),
  "ñ".repeat(32_767),
];

Deno.test("checkTopic() and isTopicFilter() refuse every character that MQTT forbids", () => {
  for (const character of forbidden()) {
    for (const topic of [character, `a/b${character}`, `${character}b`]) {
      const shown = JSON.stringify(topic);
      assert.throws(() => checkTopic(topic), InvalidTopicError, shown);
      assert.equal(isTopicFilter(topic), false, shown);
    }
  }
});

Deno.test("checkTopic() refuses wildcards, empty and long topics without repeating them", () => {
  const cases = ["", "#", "+", "a/#", "a/+/b", "a+", "x".repeat(65_536), "ñ".repeat(32_768)];
  for (const topic of cases) {
    assert.throws(
      () => checkTopic(topic),
      (error) => error instanceof InvalidTopicError && error.message.length < 100,
      topic.slice(0, 20),
    );
  }
});

Deno.test("checkTopic() and isTopicFilter() accept every other text", () => {
  for (const topic of GOOD) {
    checkTopic(topic);
    assert.equal(isTopicFilter(topic), true);
  }
  for (const filter of ["#", "+", "a/+/b/#", "$share/g/a"]) {
    assert.equal(isTopicFilter(filter), true);
  }
  for (const filter of ["a#", "#/a", "a+/b", ""]) assert.equal(isTopicFilter(filter), false);
});
