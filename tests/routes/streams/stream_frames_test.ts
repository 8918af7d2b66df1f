/** What is sent over the wire, byte for byte. */

import assert from "node:assert/strict";
import { eventually } from "../../kit/eventually.ts";
import { everyServer } from "../rig.ts";

/** Payloads that would change if parsed and serialized. */
const PAYLOADS = [
  '{"data":{"DEVICE_ID":"A","LATITUD":"+20.652472","LONGITUD":"-100.391404"},"decoded":{},"raw":""}',
  '{"z":1,"a":2,"10":3,"2":4,"unknown_key":{"b":[],"a":{}}}',
  '{ "spaced" :\t[ 1 , 2 ] , "n":1.0,"e":1e3,"E":1E+3,"minus":-0,"tiny":1e-400 }',
  '{"big":12345678901234567890123,"float":0.1000000000000000055511151231257827}',
  String.raw`{"esc":"\u00e9\/\b\f\n\r\t\"\\","pair":"\ud83d\ude00","lone":"\ud800"}`,
  '{"ñ":"español 😀 日本語 \u2028\u2029\u0085\ufeff","rtl":"\u202eabc"}',
  '{"twice":1,"twice":2}',
  '{"event":"ping","id":"x","data":"data: x","colon":": id: 5"}',
  "[]",
  '"text"',
  "0",
];

everyServer.test("SSE: headers and first bytes arrive at once, with a position", async ({ start }) => {
  await using rig = await start();
  rig.publish("A", 1, 2, 3);
  await using client = await rig.sse("device_ids=A");
  const { headers } = client.response;
  assert.equal(headers.get("content-type"), "text/event-stream");
  assert.equal(headers.get("cache-control"), "no-cache, no-transform");
  assert.equal(headers.get("x-accel-buffering"), "no");
  assert.equal(headers.get("content-encoding"), null);
  await eventually("the first block", () => client.raw.endsWith("\n\n") && client.lastId);
  assert.equal(
    client.raw,
    `retry: 3000\nid: ${rig.cursor}\nevent: ping\ndata: {"type":"keep-alive"}\n\n`,
  );
});

everyServer.test("SSE: a client that accepts compression gets none, which would delay bytes", async ({ start }) => {
  await using rig = await start();
  await using client = await rig.sse("", { headers: { "accept-encoding": "gzip, br" } });
  assert.equal(client.response.headers.get("content-encoding"), null);
  rig.publish("A", 1);
  await client.waitForMessages(1);
});

everyServer.test("SSE: every payload arrives as the device sent it, with its cursor before it", async ({ start }) => {
  await using rig = await start();
  await using client = await rig.sse("device_ids=A");
  await eventually("the first block", () => client.lastId);
  const first = client.raw;
  let expected = first;
  for (const payload of PAYLOADS) {
    const cursor = rig.publish("A", payload);
    expected += `id: ${cursor}\nevent: message\ndata: ${payload}\n\n`;
  }
  await client.waitForMessages(PAYLOADS.length);
  assert.equal(client.raw, expected);
});

everyServer.test("SSE: joined messages of one turn look the same to a client", async ({ start }) => {
  await using rig = await start();
  await using client = await rig.sse("device_ids=A");
  rig.publish("A", ...PAYLOADS);
  await client.waitForMessages(PAYLOADS.length);
  assert.deepEqual(client.payloads, PAYLOADS);
  const ids = client.events.items.map(({ id }) => id);
  assert.deepEqual(ids, PAYLOADS.map((_, i) => rig.cursorAt(i + 1)));
});

everyServer.test("WebSocket: every payload arrives as the device sent it, with its cursor after it", async ({ start }) => {
  await using rig = await start();
  await using client = await rig.ws("device_ids=A");
  const expected: string[] = [];
  for (const payload of PAYLOADS) {
    const cursor = rig.publish("A", payload);
    expected.push(`{"event":"message","data":${payload},"id":"${cursor}"}`);
  }
  rig.publish("A", ...PAYLOADS);
  PAYLOADS.forEach((payload, i) => {
    const id = rig.cursorAt(PAYLOADS.length + i + 1);
    expected.push(`{"event":"message","data":${payload},"id":"${id}"}`);
  });
  await client.waitForMessages(expected.length);
  assert.deepEqual(client.frames.items, expected);
});

everyServer.test("WebSocket: nothing is sent before the first message", async ({ start }) => {
  await using rig = await start();
  rig.publish("A", 1);
  await using client = await rig.ws("device_ids=A");
  rig.publish("A", 2);
  const { id } = await client.waitForEvent("message");
  assert.equal(client.frames.items.length, 1);
  assert.equal(id, rig.cursor);
});

for (const transport of ["ws", "sse"] as const) {
  everyServer.test(`${transport}: device ids may contain emoji, spaces, quotes and special characters`, async ({ start }) => {
    await using rig = await start();
    const ids = ["coche-😀", "two words", 'quo"te', "per%cent", "a&b=c", "ñandú", "x/y", "+57"];
    const query = ids.map(encodeURIComponent).join(",");
    await using client = await rig.open(transport, `device_ids=${query}`);
    for (const id of ids) rig.publish(id, `{"device_id":${JSON.stringify(id)}}`);
    rig.publish("other", 1);
    await client.waitForMessages(ids.length);
    assert.deepEqual(client.payloads.map((payload) => JSON.parse(payload).device_id), ids);
  });

  everyServer.test(`${transport}: cursors are opaque, at most 64 characters, and valid on both transports`, async ({ start }) => {
    await using rig = await start();
    await using client = await rig.open(transport, "device_ids=A");
    rig.publish("A", 1, 2);
    const [first] = await client.waitForMessages(2);
    assert.match(first!.id!, /^[\x21-\x7e]{1,64}$/);
    await using other = await rig.open(
      transport === "ws" ? "sse" : "ws",
      `device_ids=A&since=${first!.id}`,
    );
    const { data } = await other.waitForEvent("resumed");
    assert.equal(data, '{"status":"full","replayed":1}');
  });
}
