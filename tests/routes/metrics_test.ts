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

Deno.test("GET /asyncapi.json: every event and command, made from the schemas", async () => {
  await using rig = await Rig.start();
  const document = await (await fetch(`${rig.url}/asyncapi.json`)).json();
  assert.deepEqual(document, JSON.parse(JSON.stringify(asyncapi())));
  const { messages } = document.channels.stream;
  const { data, id } = messages.dropped.payload.properties;
  assert.deepEqual([data.required, id], [["device_id", "count"], undefined]);
  assert.equal(messages.command.payload.oneOf.length, 3);
});
