import assert from "node:assert/strict";
import {
  forgetFrames,
  JoinedEvents,
  replayedFrames,
  SSE_COMMENT,
  sseEvent,
  sseEvents,
  sseMessage,
  sseStart,
  wsBatch,
  wsEvent,
  wsEventFrames,
  wsMessage,
} from "../../../broker/streams/client_frame.ts";
import { Publication } from "../../../broker/messages/message.ts";
import { textFrame } from "../../../broker/streams/websocket_frame.ts";
import { EPOCH, publication } from "./fake_sink.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test("frames have the form that the contract defines", () => {
  const payload = '{"ñ":"+1.0😀"}';
  const message = new Publication(EPOCH, 7, "A", payload, false, 0);
  const id = EPOCH.cursor(7);
  assert.equal(wsMessage(message), `{"event":"message","data":${payload},"id":"${id}"}`);
  assert.equal(text(sseMessage(message)), `id: ${id}\nevent: message\ndata: ${payload}\n\n`);
  assert.equal(wsEvent("ping", "{}", id), `{"event":"ping","data":{},"id":"${id}"}`);
  assert.equal(wsEvent("dropped", "{}"), '{"event":"dropped","data":{}}');
  assert.equal(text(sseEvent("ping", "{}", id)), `id: ${id}\nevent: ping\ndata: {}\n\n`);
  assert.equal(text(sseEvent("dropped", "{}")), "event: dropped\ndata: {}\n\n");
  assert.equal(text(sseStart(undefined)), "retry: 3000\n");
  assert.equal(
    text(sseStart(id)),
    `retry: 3000\nid: ${id}\nevent: ping\ndata: {"type":"keep-alive"}\n\n`,
  );
  assert.equal(text(SSE_COMMENT), ": keep-alive\n");
  assert.equal(
    wsBatch([{ payload: "1", id: "a" }, { payload: "{}", id: "b" }]),
    '{"event":"batch","data":[{"data":1,"id":"a"},{"data":{},"id":"b"}]}',
  );
});

Deno.test("a message's frame is built once, and dropped by forgetFrames()", () => {
  const message = publication("A", 1);
  const frame = sseMessage(message);
  assert.equal(sseMessage(message), frame);
  assert.equal(wsMessage(message), wsMessage(message));
  forgetFrames([message]);
  assert.deepEqual([message.wsFrame, message.sseFrame], [undefined, undefined]);
  assert.notEqual(sseMessage(message), frame);
});

Deno.test("replayedFrames keeps the frames of what was replayed last, up to 16 MB", () => {
  const replayed = Array.from(
    { length: 20 },
    (_, i) => new Publication(EPOCH, i + 1, "A", JSON.stringify("x".repeat(1_000_000)), false, 0),
  );
  for (const one of replayed) {
    sseMessage(one);
    replayedFrames.keep([one]);
    replayedFrames.keep([one]);
  }
  const kept = replayed.filter(({ sseFrame }) => sseFrame !== undefined);
  assert.deepEqual(kept, replayed.slice(-8));
  replayedFrames.sweep();
  assert.notEqual(kept[0]!.sseFrame, undefined, "just used");
  replayedFrames.sweep();
  assert.ok(replayed.every(({ sseFrame }) => sseFrame === undefined));
});

Deno.test("JoinedEvents shares bytes between clients that get the same messages, and only those", () => {
  const [a, b, c, d] = [1, 2, 3, 4].map((offset) => publication("A", offset)) as [
    Publication,
    Publication,
    Publication,
    Publication,
  ];
  const joined = new JoinedEvents();
  const abc = joined.of([a, b, c]);
  assert.equal(text(abc), [a, b, c].map((one) => text(sseMessage(one))).join(""));
  assert.equal(joined.of([a, b, c]), abc);
  assert.equal(text(joined.of([a, b, d])), [a, b, d].map((one) => text(sseMessage(one))).join(""));
  assert.equal(text(joined.of([a, c])), [a, c].map((one) => text(sseMessage(one))).join(""));
  assert.equal(joined.of([b]), sseMessage(b));
  const batch = joined.batchOf([a, b, c]);
  assert.match(batch, /^\{"event":"batch","data":\[\{"data":1,"id":"\S+"\},.*\]\}$/);
  assert.equal(joined.of([a, b, c]), abc);
  // The result does not change if the caller reuses the list.
  const turn = [a, b];
  const first = text(joined.of(turn));
  turn[1] = d;
  assert.notEqual(text(joined.of(turn)), first);
  assert.equal(text(joined.of([a, b])), first);
});

Deno.test("events with the same name are joined, each whole, and shared if they are equal", () => {
  const data = ['{"n":1}', '"😀"'];
  const joined = new JoinedEvents();
  const events = joined.eventsOf("presence", data);
  assert.equal(text(events), data.map((one) => text(sseEvent("presence", one))).join(""));
  const frames = joined.eventFramesOf("presence", data);
  assert.equal(text(frames), data.map((one) => text(textFrame(wsEvent("presence", one)))).join(""));
  assert.equal(joined.eventsOf("presence", [...data]), events);
  assert.equal(joined.eventFramesOf("presence", [...data]), frames);
  assert.notEqual(joined.eventsOf("snapshot", data), events);
  assert.notEqual(joined.eventsOf("presence", [data[0]!, "2"]), events);
  assert.deepEqual([sseEvents("presence", data), wsEventFrames("presence", data)], [
    events,
    frames,
  ]);
});
