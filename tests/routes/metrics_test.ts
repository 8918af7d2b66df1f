import assert from "node:assert/strict";
import { asyncapi } from "../../routes/asyncapi.ts";
import { Rig } from "./rig.ts";

Deno.test("GET /metrics: figures of now, with few labels and never a device", async () => {
  await using rig = await Rig.start();
  await rig.fanout.publish([{ deviceId: "secret-device", payload: '{"a":1}' }]);
  const response = await fetch(`${rig.url}/metrics`);
  const text = await response.text();
  assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  assert.match(text, /^telecast_stored_total 1$/m);
  assert.match(text, /^telecast_connections\{transport="sse"\} 0$/m);
  assert.ok(!text.includes("secret-device"));
  const again = await (await fetch(`${rig.url}/metrics`)).text();
  assert.match(again, /^telecast_stored_total 1$/m);
});

Deno.test("GET /metrics: the lag of a Kafka source, and of its partitions", async () => {
  const partitions = [{ topic: "t", partition: 2, stored: 5, committed: 5, lag: 7 }];
  const counters = { received: 3, malformed: 0, dropped: 0, reconnects: 0 };
  const state = { name: "kafka", kind: "kafka", state: "connected" as const };
  await using rig = await Rig.start({
    sources: () => [{ ...state, ...counters, detail: { lag: 7, partitions } }],
  });
  const text = await (await fetch(`${rig.url}/metrics`)).text();
  assert.match(text, /^telecast_received_total\{source="kafka"\} 3$/m);
  assert.match(text, /^telecast_source_lag\{source="kafka"\} 7$/m);
  const lag = /^telecast_source_partition_lag\{source="kafka",topic="t",partition="2"\} 7$/m;
  assert.match(text, lag);
});

Deno.test("GET /asyncapi.json: every event and command, made from the schemas", async () => {
  await using rig = await Rig.start();
  const document = await (await fetch(`${rig.url}/asyncapi.json`)).json();
  assert.deepEqual(document, JSON.parse(JSON.stringify(asyncapi())));
  const { messages } = document.channels.stream;
  const { data, id } = messages.dropped.payload.properties;
  assert.deepEqual([data.required, id], [["device_id", "count"], undefined]);
  assert.equal(messages.command.payload.oneOf.length, 3);
});
