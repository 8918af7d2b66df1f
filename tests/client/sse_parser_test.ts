import assert from "node:assert/strict";
import type { Frame } from "../../client/link.ts";
import { SseParser } from "../../client/sse_link.ts";

const TEXT = [
  ": a comment\n",
  "retry: 3000\nid: 1\n\n",
  'id: 2\nevent: message\ndata: {"a":"é\u{1f69b}"}\n\n',
  "id:3\r\ndata:[1,\r\ndata: 2]\r\n\r\n",
  'event: presence\rdata: {"b":1}\r\r',
  "data: no json\n\n",
  "event: nothing\n\n",
  "data\n\nid: x\0y\ndata: 7\n\n",
  "data: never ended",
].join("");

const FRAMES: Frame[] = [
  { event: "ping", data: undefined, id: "1" },
  { event: "message", data: { a: "é\u{1f69b}" }, id: "2" },
  { event: "message", data: [1, 2], id: "3" },
  { event: "presence", data: { b: 1 }, id: undefined },
  { event: "message", data: 7, id: undefined },
];

Deno.test("SseParser reads the same events, wherever the text is split", () => {
  for (let size = 1; size <= TEXT.length; size++) {
    const frames: Frame[] = [];
    const garbage: string[] = [];
    const parser = new SseParser((frame) => frames.push(frame), (text) => garbage.push(text));
    for (let at = 0; at < TEXT.length; at += size) parser.push(TEXT.slice(at, at + size));
    assert.deepEqual(frames, FRAMES, `in pieces of ${size}`);
    assert.deepEqual(garbage, ["no json", ""]);
  }
});
