/** kill -9 in the middle of a call to the backend. */

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

Deno.test("messages that /ws and WEBSOCKET_URL acked are processed after kill -9 and a restart", async () => {
  await using backend = await BackendServer.start();
  await using upstream = WsUpstream.start();
  // The first calls never end: the process is killed in the middle of them.
  backend.behave = () => "stall";
  await using telecast = await Telecast.start({
    env: { BACKEND_URL: backend.url, WEBSOCKET_URL: upstream.url, LOG_LEVEL: "warning" },
  });
  await telecast.waitForSource("websocket");
  const { socket } = await upstream.client();
  await using peer = await WsClient.open(`ws://127.0.0.1:${telecast.port}/ws`);
  const ids = Array.from({ length: 40 }, (_, n) => `m${n}`);
  for (const id of ids) {
    socket.send(JSON.stringify(person(id, "57300")));
    peer.send(person(id, "57301"));
  }
  await eventually("all are acked", () => upstream.acked.length === 40);
  await peer.frames.waitForCount(40);
  await eventually("calls are in flight", () => backend.calls.length >= 2);
  await telecast.kill("SIGKILL");
  assert.deepEqual(backend.done, []);
  backend.behave = () => 200;
  await telecast.start();
  await telecast.waitForSource("websocket");
  // As if the peer had missed the last acks, it sends those messages again.
  const again = await upstream.client();
  for (const id of ids.slice(30)) again.socket.send(JSON.stringify(person(id, "57300")));
  await eventually("all are done", () => new Set(backend.done.map(({ key }) => key)).size >= 80, {
    timeoutMs: 60_000,
  });
  for (const from of ["57300", "57301"]) assert.deepEqual(idsOf(backend.done, from), ids);
  const { sources, deliveries } = await telecast.json("/api/v1/stats");
  assert.equal(sources[0].name, "websocket");
  assert.deepEqual([deliveries.dead, deliveries.lost], [0, 0]);
});
