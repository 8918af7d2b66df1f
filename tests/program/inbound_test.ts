/** Messages from people through the whole program: from WebSockets to the backend. */

import assert from "node:assert/strict";
import { BackendServer } from "../kit/servers/backend.ts";
import { eventually } from "../kit/eventually.ts";
import { Telecast } from "../kit/servers/telecast.ts";
import { WsClient } from "../kit/clients/ws_client.ts";
import { WsUpstream } from "../kit/servers/ws_upstream.ts";

const person = (id: string, from: string) => ({ from, id, type: "text", text: { body: id } });

// deno-lint-ignore no-explicit-any -- bodies of many shapes
const idsOf = (calls: readonly { body: any }[], from: string): string[] =>
  calls.filter(({ body }) => body.from === from).map(({ body }) => body.id);

Deno.test("messages from people reach the backend once and in order, while devices stream", async () => {
  await using backend = await BackendServer.start();
  await using upstream = WsUpstream.start();
  await using telecast = await Telecast.start({
    env: { BACKEND_URL: backend.url, WEBSOCKET_URL: upstream.url, DENO_KV_URL: "memory:" },
    args: ["--websocket"],
  });
  await telecast.waitForSource("websocket");
  const { socket } = await upstream.client();
  await using peer = await WsClient.open(`ws://127.0.0.1:${telecast.port}/ws`);
  await using stream = await WsClient.open(telecast.wsUrl("device_ids=*"));
  const ids = Array.from({ length: 40 }, (_, n) => `m${n}`);
  for (const id of [...ids, ...ids]) {
    socket.send(JSON.stringify(person(id, "57300")));
    peer.send(person(id, "57301"));
  }
  socket.send('{"event":"message","data":{"device_id":"A","n":1}}');
  await eventually("all are acked", () => upstream.acked.length === 80);
  await peer.frames.waitForCount(80);
  await stream.waitForMessages(1);
  assert.deepEqual(stream.payloads, ['{"device_id":"A","n":1}'], "people are in no stream");
  await eventually("all are done", () => backend.done.length >= 80, { timeoutMs: 60_000 });
  for (const from of ["57300", "57301"]) assert.deepEqual(idsOf(backend.calls, from), ids);
  const { inbound, deliveries } = await eventually("nothing waits", async () => {
    const stats = await telecast.json("/api/v1/stats");
    return stats.deliveries.waiting === 0 && stats;
  });
  assert.deepEqual([inbound.queued, inbound.repeat, deliveries.done], [40, 40, 80]);
});

Deno.test("an upstream WebSocket that is down degrades the program, but stops nothing", async () => {
  await using upstream = WsUpstream.start();
  const { url } = upstream;
  await upstream.stop();
  await using telecast = await Telecast.start({
    env: { WEBSOCKET_URL: `${url}?token=a-secret`, DENO_KV_URL: "memory:" },
    args: ["--websocket"],
  });
  const ready = await eventually("it reports degraded", async () => {
    const body = await telecast.json("/readyz");
    return body.status === "degraded" && body;
  });
  assert.match(JSON.stringify(ready), /websocket.*nothing listens there/);
  upstream.start();
  await telecast.waitForSource("websocket", { timeoutMs: 60_000 });
  await eventually("ready", async () => (await telecast.json("/readyz")).status !== "degraded");
  const metrics = await (await fetch(`${telecast.url}/metrics`)).text();
  assert.match(metrics, /telecast_source_connected\{source="websocket"\} 1/);
  assert.ok(!telecast.output.includes("a-secret"));
});

Deno.test("without a backend, messages from people are refused on /ws and from upstream, and nothing waits", async () => {
  await using upstream = WsUpstream.start();
  const env = { WEBSOCKET_URL: upstream.url, DENO_KV_URL: "memory:" };
  await using telecast = await Telecast.start({ env, args: ["--websocket"] });
  await telecast.waitForSource("websocket");
  const { socket, received } = await upstream.client();
  await using peer = await WsClient.open(`ws://127.0.0.1:${telecast.port}/ws`);
  // More than the limit of errors per peer: these errors are not the peer's fault.
  const ids = Array.from({ length: 150 }, (_, n) => `m${n}`);
  for (const id of ids) {
    peer.send(person(id, "57300"));
    socket.send(JSON.stringify(person(id, "57300")));
  }
  await peer.frames.waitForCount(ids.length);
  await eventually("all are answered", () => received.length === ids.length);
  for (const answers of [peer.frames.items, received]) {
    const said = answers.map((text) => JSON.parse(text));
    assert.ok(said.every(({ event, data }) => event === "error" && data.code === "no_backend"));
    assert.deepEqual(said.map(({ data }) => data.id), ids);
  }
  const { deliveries } = await telecast.json("/api/v1/deliveries?state=waiting");
  assert.deepEqual(deliveries, []);
  const { inbound, sources } = await eventually("all are counted", async () => {
    const stats = await telecast.json("/api/v1/stats");
    return stats.sources[0].malformed === ids.length && stats;
  });
  assert.deepEqual([inbound.queued, inbound.refused, sources[0].received], [0, 150, 150]);
});

Deno.test("with --shadow, no message from a person is acked or stored: the other system does that", async () => {
  await using upstream = WsUpstream.start();
  await using telecast = await Telecast.start({
    env: { WEBSOCKET_URL: upstream.url, DENO_KV_URL: "memory:" },
    args: ["--shadow"],
  });
  await telecast.waitForSource("websocket");
  await using stream = await WsClient.open(telecast.wsUrl("device_ids=*"));
  const client = await upstream.client();
  client.socket.send(JSON.stringify(person("m1", "57300")));
  client.socket.send('{"device_id":"A","n":1}');
  await stream.waitForMessages(1);
  assert.deepEqual(client.received, []);
  const { deliveries } = await telecast.json("/api/v1/deliveries?state=waiting");
  assert.deepEqual(deliveries, []);
  const refused = await fetch(`${telecast.url}/ws`, { headers: { upgrade: "x" } });
  assert.equal(refused.status, 426);
  await refused.body?.cancel();
  await assert.rejects(WsClient.open(`ws://127.0.0.1:${telecast.port}/ws`));
});
