import assert from "node:assert/strict";
import { parseWsFrame, SseParser } from "./received.ts";

Deno.test("parseWsFrame() returns the data's text unchanged", () => {
  const data = '{"data":{"DEVICE_ID":"A","LATITUD":"+20.652472","n":1.0},"id":"x"}';
  const { event, data: seen, id } = parseWsFrame(`{"event":"message","data":${data},"id":"c-1"}`);
  assert.deepEqual([event, seen, id], ["message", data, "c-1"]);
  assert.equal(parseWsFrame(`{"event":"snapshot","data":${data}}`).id, undefined);
  assert.equal(parseWsFrame(`{"event":"snapshot","data":${data}}`).data, data);
  assert.throws(() => parseWsFrame(data), /form of the contract/);
});

Deno.test("SseParser reads a stream that is split at any byte", () => {
  const text = 'retry: 3000\nid: c-0\n\n: hello\n\nid: c-1\nevent: message\ndata: {"a":1}\n\n' +
    "data: one\r\ndata: two\r\n\r\nevent: ping\n\n";
  for (let cut = 0; cut <= text.length; cut++) {
    const parser = new SseParser();
    const events = [...parser.push(text.slice(0, cut)), ...parser.push(text.slice(cut))];
    assert.deepEqual(events.map(({ event, data, id }) => [event, data, id]), [
      ["message", '{"a":1}', "c-1"],
      ["message", "one\ntwo", undefined],
    ]);
    assert.equal(parser.retryMs, 3000);
    assert.equal(parser.lastEventId, "c-1");
    assert.deepEqual(parser.comments, [" hello"]);
  }
});
