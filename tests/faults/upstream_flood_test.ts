/** An upstream WebSocket that floods, sends garbage and large frames, and is killed repeatedly. */

import assert from "node:assert/strict";
import { BackendServer } from "../kit/servers/backend.ts";
import { eventually } from "../kit/eventually.ts";
import { MemoryWatch } from "../kit/memory.ts";
import { trackingPayload } from "../kit/payload.ts";
import { Telecast } from "../kit/servers/telecast.ts";
import { WsUpstream } from "../kit/servers/ws_upstream.ts";

const MB = 1_048_576;
/** How much the server buffers for a client before it waits. */
const MAX_BUFFERED = 4 * MB;

/** Sends the results of `make` as fast as the client reads them. */
async function flood(
  upstream: WsUpstream,
  count: number,
  make: (n: number) => string,
): Promise<void> {
  for (let n = 0; n < count;) {
    const { socket } = await upstream.client(60_000);
    for (; n < count && socket.bufferedAmount < MAX_BUFFERED; n++) {
      if (socket.readyState !== WebSocket.OPEN) break;
      socket.send(make(n));
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

Deno.test("an upstream WebSocket floods, sends garbage and 1 MB frames: memory stays flat, and all good messages arrive", async () => {
  await using upstream = WsUpstream.start();
  await using telecast = await Telecast.start({
    env: { WEBSOCKET_URL: upstream.url, LOG_LEVEL: "warning" },
  });
  await telecast.waitForSource("websocket");
  const received = async () => (await telecast.json("/api/v1/stats")).sources[0].received;
  // Warm up first: code, caches and the log's window take memory once.
  await flood(upstream, 10_000, (n) => trackingPayload(`D${n % 50}`, n));
  await eventually("the first are read", async () => await received() === 10_000, {
    timeoutMs: 60_000,
  });
  await using memory = await MemoryWatch.start(telecast.process);
  const large = JSON.stringify({ device_id: "L", text: "x".repeat(MB) });
  await flood(upstream, 30_000, (n) => {
    if (n % 100 === 7) return large;
    if (n % 100 === 13) return "garbage";
    return trackingPayload(`D${n % 50}`, n);
  });
  const { sources, fanout } = await eventually("all are read", async () => {
    const stats = await telecast.json("/api/v1/stats");
    return stats.sources[0].received === 40_000 && stats;
  }, { timeoutMs: 110_000 });
  assert.equal(sources[0].malformed, 600);
  assert.deepEqual([sources[0].state, sources[0].reconnects], ["connected", 0]);
  assert.equal(fanout.position, 39_400);
  const grownMb = memory.growthBytes / MB;
  assert.ok(grownMb < 250, `memory grew by ${grownMb.toFixed(0)} MB`);
});

Deno.test("an upstream WebSocket is killed repeatedly: no acked message is lost", async () => {
  await using upstream = WsUpstream.start();
  await using backend = await BackendServer.start();
  await using _telecast = await Telecast.start({
    env: { WEBSOCKET_URL: upstream.url, BACKEND_URL: backend.url, LOG_LEVEL: "warning" },
  });
  const total = 300;
  const senders = 3;
  // Like a real peer, resends unacked messages on the next connection, oldest first.
  for (let acked = 0; acked < total;) {
    const client = await upstream.client(60_000);
    const isAcked = new Set(upstream.acked);
    const left = Array.from({ length: total }, (_, n) => n).filter((n) => !isAcked.has(`m${n}`));
    for (const n of left.slice(0, 120)) {
      client.socket.send(JSON.stringify({ from: `57${n % senders}`, id: `m${n}`, text: "hola" }));
      // Ends the connection in the middle, with acks in flight.
      if (n === left[40] && left.length > 100) {
        await eventually("some are acked", () => client.received.length > 0);
        client.socket.close();
        break;
      }
    }
    await eventually("all acks, or the end of the connection", () => {
      acked = new Set(upstream.acked).size;
      return client.socket.readyState !== WebSocket.OPEN ||
        client.received.length >= Math.min(120, left.length);
    }, { timeoutMs: 60_000 });
  }
  await eventually(
    "all are done",
    () => new Set(backend.done.map(({ key }) => key)).size === total,
    {
      timeoutMs: 60_000,
    },
  );
  for (let sender = 0; sender < senders; sender++) {
    const mine = backend.done.filter(({ body }) => body.from === `57${sender}`);
    const numbers = mine.map(({ body }) => Number(body.id.slice(1)));
    assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b), "in order, each once");
    assert.equal(numbers.length, total / senders);
  }
});
