/** Ways to hold a stream's connection: how long each works, and that it does not affect others. */

import assert from "node:assert/strict";
import { eventually } from "../../kit/eventually.ts";
import { concat, frame, HANDSHAKE, type RawConnection } from "../raw.ts";
import { everyServer, onBoth, range, Rig } from "../rig.ts";

const PLACE = { env: { MAX_CONNECTIONS: "1" } };
/** The relation of the default times, at the scale of a test. */
const SAME_TIMES = { CONNECTION_WRITE_SECONDS: "1", KEEPALIVE_SECONDS: "1" };
const big = JSON.stringify({ device_id: "A", more: "x".repeat(50_000) });

/** Deno's own WebSocket cannot be closed while its client reads nothing. */
const isDenoSocket = (rig: Rig, transport: "ws" | "sse") =>
  rig.server === "fallback" && transport === "ws";

/** Fails while the only slot is taken. */
async function placeIsFree(rig: Rig): Promise<void> {
  await eventually("its slot is free", async () => {
    const response = await rig.fetch("/api/v1/stream");
    await response.body?.cancel();
    return response.status === 200;
  });
}

async function openSse(rig: Rig, query: string): Promise<RawConnection> {
  const connection = await rig.raw();
  await connection.request(`/api/v1/stream?${query}`);
  assert.equal((await connection.head()).status, 200);
  await eventually("the session", () => rig.hub.sessions.size > 0);
  return connection;
}

onBoth(
  "a client that reads nothing is closed even if pings are as frequent as the checks, and leaves its slot",
  async (transport, start) => {
    await using rig = await start({
      env: { ...SAME_TIMES, ...PLACE.env, QUEUE_MAX_PER_DEVICE: "1000000" },
    });
    await using stuck = await rig.slow(transport, "device_ids=A");
    for (const _ of range(1, 400)) rig.publish("A", big);
    await eventually("its session is closed", () => rig.hub.sessions.size === 0);
    if (isDenoSocket(rig, transport)) return;
    await placeIsFree(rig);
    // It reads what was in flight, and the end.
    await stuck.read(() => false);
  },
);

onBoth("a client that reads nothing leaves its slot after goodbye", async (transport, start) => {
  await using rig = await start({ env: { ...PLACE.env, QUEUE_MAX_PER_DEVICE: "1000000" } });
  await using _stuck = await rig.slow(transport, "device_ids=A");
  for (const _ of range(1, 400)) rig.publish("A", big);
  const [session] = rig.hub.sessions;
  await eventually("its socket is full", () => session!.sink.full);
  rig.hub.goodbye(session!, "revoked", 0);
  if (!isDenoSocket(rig, transport)) await placeIsFree(rig);
});

everyServer.test("a client that pings and reads nothing takes little memory, and is closed", async ({ start }) => {
  await using rig = await start({ env: SAME_TIMES });
  if (rig.server === "fallback") return;
  await using connection = await rig.raw();
  await connection.request("/api/v1/stream?device_ids=A", HANDSHAKE);
  await connection.head();
  const [session] = rig.hub.sessions;
  const pings = concat(...range(1, 1_000).map(() => frame("x".repeat(125), { opcode: 9 })));
  // The system's buffer fills first.
  await eventually("the system's buffer is full", () => {
    rig.publish("A", big);
    return session!.sink.buffered > 200_000;
  }, { intervalMs: 1 });
  let most = 0;
  const before = session!.sink.buffered;
  const isOpen = () => rig.hub.sessions.size > 0;
  const closed = eventually("it is closed", () => !isOpen()).then(() => false);
  for (let writable = true; writable;) {
    const written = connection.write(pings).then(() => true, () => false);
    writable = await Promise.race([written, closed]);
    most = Math.max(most, session!.sink.buffered - before);
  }
  await closed;
  assert.ok(most < 16_384, `${most} bytes of pongs and pings`);
});

everyServer.test("a client that closed its sending side still gets its events, until the stream ends", async ({ start }) => {
  await using rig = await start();
  // Deno's own server treats that as the client's end.
  if (rig.server !== "server") return;
  await using connection = await openSse(rig, "device_ids=A");
  await connection.closeWrite();
  for (const n of range(1, 50)) {
    rig.publish("A", n);
    await new Promise((resolve) => setTimeout(resolve));
  }
  const [session] = rig.hub.sessions;
  await eventually("all are sent", () => session!.sent === 50);
  rig.hub.goodbye(session!, "revoked", 0);
  const text = await connection.end();
  for (const n of range(1, 50)) assert.ok(text.includes(`"n":${n}}`), `${n} is missing`);
  assert.ok(text.includes("event: goodbye"));
  assert.ok(text.endsWith("0\r\n\r\n"));
  await eventually("it is gone", () => rig.hub.sessions.size === 0);
});

onBoth(
  "a client that leaves is detected soon, with and without messages",
  async (transport, start) => {
    for (const isBusy of [true, false]) {
      await using rig = await start(PLACE);
      const client = await rig.slow(transport, "device_ids=A");
      if (isBusy) rig.publish("A", 1, 2, 3);
      await client[Symbol.asyncDispose]();
      await eventually("its session is gone", () => rig.hub.sessions.size === 0, {
        timeoutMs: 5_000,
      });
      await placeIsFree(rig);
    }
  },
);

everyServer.test("clients that send endlessly are read slowly, and others are not affected", async ({ start }) => {
  await using rig = await start();
  if (rig.server !== "server") return;
  await using watcher = await rig.ws("device_ids=A");
  const floods = await Promise.all(
    range(1, 20).map(async (n) => {
      const connection = await rig.raw();
      await connection.request("/api/v1/stream?device_ids=B", n % 2 ? HANDSHAKE : []);
      await connection.head();
      return connection;
    }),
  );
  let sent = 0;
  let isOver = false;
  const pongs = concat(...range(1, 1_000).map(() => frame("x".repeat(100), { opcode: 10 })));
  const flooding = floods.map(async (connection) => {
    while (!isOver) {
      await connection.write(pongs).catch(() => isOver = true);
      sent += pongs.length;
    }
  });
  const latencies: number[] = [];
  for (const n of range(1, 200)) {
    const startedAt = performance.now();
    rig.publish("A", n);
    await watcher.waitForMessages(n);
    latencies.push(performance.now() - startedAt);
  }
  isOver = true;
  for (const connection of floods) await connection[Symbol.asyncDispose]();
  await Promise.all(flooding);
  latencies.sort((a, b) => a - b);
  assert.ok(latencies[100]! < 100, `${latencies[100]} ms, ${sent} bytes`);
});
