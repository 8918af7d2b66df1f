import assert from "node:assert/strict";
import { eventually } from "../kit/eventually.ts";
import { StreamServer } from "./stream_server.ts";
import { open } from "./open.ts";

for (const transport of ["ws", "sse"] as const) {
  Deno.test(`Telecast delivers each message once and in order over ${transport}, however often the connection is lost`, async () => {
    await using server = new StreamServer();
    await using client = open(server, { transport, since: "0" });
    await client.opened();
    const total = 500;
    for (let n = 1; n <= total; n++) {
      server.publish(n);
      if (n % 25 === 0) {
        for (const stream of server.live) stream.close(1011);
        await client.opened(n / 25 + 1);
      }
    }
    await client.messages.waitForCount(total);
    assert.deepEqual(client.data(), Array.from({ length: total }, (_, i) => i + 1));
    assert.equal(client.cursor, String(total));
  });

  Deno.test(`Telecast begins at the cursor of an earlier run over ${transport}`, async () => {
    await using server = new StreamServer();
    for (let n = 1; n <= 5; n++) server.publish(n);
    await using client = open(server, { transport, since: "3" });
    const { promise, resolve } = Promise.withResolvers<unknown>();
    client.on("resumed", resolve);
    assert.deepEqual(await promise, { status: "full", replayed: 2 });
    assert.deepEqual(client.data(), [4, 5]);
  });

  Deno.test(`Telecast gets a cursor over ${transport} before the first message`, async () => {
    await using server = new StreamServer();
    await using client = open(server, { transport });
    await eventually("a cursor", () => client.cursor === "0");
    (await server.stream(0)).close(1011);
    server.publish(1);
    await client.messages.waitForCount(1);
  });

  Deno.test(`Telecast sends its options over ${transport}`, async () => {
    await using server = new StreamServer();
    await using _client = open(server, {
      transport,
      deviceIds: [" A ", "B*", "A"],
      snapshot: true,
      presence: true,
      mode: "latest",
      maxRate: 2,
      batchMs: 50,
      token: "t0.k-e_n",
    });
    const stream = await server.stream(0);
    assert.equal(stream.token, "t0.k-e_n");
    assert.deepEqual(Object.fromEntries(stream.params), {
      device_ids: "A,B*",
      snapshot: "1",
      presence: "1",
      mode: "latest",
      max_rate: "2",
      ...(transport === "ws" && { batch_ms: "50" }),
    });
  });

  Deno.test(`Telecast asks for the snapshot again only if it was cut short, over ${transport}`, async () => {
    await using server = new StreamServer();
    await using client = open(server, { transport, snapshot: true });
    (await server.stream(0)).frame("snapshot", 1);
    await client.messages.waitForCount(1);
    (await server.stream(0)).close(1011);
    assert.equal((await server.stream(1)).params.get("snapshot"), "1");
    await client.opened(2);
    server.publish(2);
    await client.messages.waitForCount(2);
    assert.deepEqual(client.messages.items[0], { type: "snapshot", data: 1, id: undefined });
    (await server.stream(1)).close(1011);
    assert.equal((await server.stream(2)).params.get("snapshot"), null);
  });

  Deno.test(`Telecast reconnects after a goodbye at the given time, over ${transport}`, async () => {
    await using server = new StreamServer();
    await using client = open(server, { transport });
    const stream = await server.stream(0);
    await client.opened();
    const waits: unknown[] = [];
    client.on("goodbye", (goodbye) => waits.push(goodbye));
    client.on("error", (error) => waits.push(error));
    const saidAt = performance.now();
    // Much longer than the greatest back-off, so that the two cannot be confused.
    stream.frame("goodbye", { reason: "drain", reconnect_ms: 300 });
    server.publish(1);
    stream.close();
    await client.opened(2);
    assert(performance.now() - saidAt >= 295);
    assert.deepEqual(waits, [{ reason: "drain", reconnectMs: 300 }]);
    await client.messages.waitForCount(1);
  });

  Deno.test(`Telecast gives up a dead connection over ${transport}`, async () => {
    await using server = new StreamServer();
    await using client = open(server, { transport, deadAfterMs: 150 });
    const stream = await server.stream(0);
    stream.answersPings = false;
    server.publish(1);
    await client.opened(2);
    assert.equal(client.messages.items.length, 1);
    server.publish(2);
    await client.messages.waitForCount(2);
    assert.deepEqual(client.data(), [1, 2]);
  });
}

Deno.test("Telecast unpacks batches", async () => {
  await using server = new StreamServer();
  await using client = open(server, { batchMs: 100 });
  (await server.stream(0)).frame("batch", [{ data: 1, id: "7" }, { data: 2, id: "8" }]);
  await client.messages.waitForCount(2);
  assert.deepEqual(client.data(), [1, 2]);
  assert.equal(client.cursor, "8");
});

Deno.test("Telecast passes on presence, drops and errors, and survives an invalid frame", async () => {
  await using server = new StreamServer();
  await using client = open(server);
  const events: unknown[] = [];
  for (const type of ["presence", "dropped"] as const) client.on(type, (e) => events.push(e));
  client.on("error", ({ code, fatal }) => events.push({ code, fatal }));
  const stream = await server.stream(0);
  stream.frame("presence", { device_id: "A", state: "stale" });
  stream.frame("dropped", { device_id: "A", count: 3 });
  stream.frame("something new", {});
  stream.frame("error", { code: "unknown_action", message: "" });
  stream.frame(undefined as unknown as string, {});
  server.publish(1);
  await client.messages.waitForCount(1);
  assert.deepEqual(events, [
    { deviceId: "A", state: "stale" },
    { deviceId: "A", count: 3 },
    { code: "unknown_action", fatal: false },
    { code: "bad_frame", fatal: false },
  ]);
});

Deno.test("Telecast falls back to SSE if WebSockets do not get through, and stays there", async () => {
  await using server = new StreamServer();
  server.refuse = (transport) =>
    transport === "ws" ? new Response("no upgrade here", { status: 400 }) : undefined;
  await using client = open(server);
  for (let n = 1; n <= 3; n++) {
    await client.opened(n);
    server.publish(n);
    await client.messages.waitForCount(n);
    server.live[0]!.close();
  }
  await client.opened(4);
  const transports = server.requests.map(({ transport }) => transport);
  assert.deepEqual(transports, ["ws", "sse", "ws", "sse", "sse", "sse"]);
});

Deno.test("Telecast falls back to SSE if a WebSocket opens but stays silent", async () => {
  await using server = new StreamServer();
  server.automatic = false;
  await using client = open(server, { deadAfterMs: 90 });
  await client.states.waitFor((state) => state.state === "open" && state.transport === "sse");
});

Deno.test("Telecast falls back to SSE if it may not open a WebSocket", async () => {
  await using server = new StreamServer();
  await using client = open(server, {
    WebSocket: class {
      constructor() {
        throw new DOMException("forbidden by policy", "SecurityError");
      }
    } as unknown as typeof WebSocket,
  });
  await client.opened();
  assert.deepEqual(client.state, { state: "open", transport: "sse" });
});

Deno.test("Telecast uses SSE if there is no WebSocket class", async () => {
  const { WebSocket } = globalThis;
  // @ts-expect-error Node 20 has none
  delete globalThis.WebSocket;
  try {
    await using server = new StreamServer();
    await using client = open(server);
    await client.opened();
    assert.deepEqual(client.state, { state: "open", transport: "sse" });
    assert.throws(() => open(server, { transport: "ws" }), TypeError);
  } finally {
    globalThis.WebSocket = WebSocket;
  }
});

Deno.test("Telecast in WebSocket-only mode asks over HTTP why it is refused", async () => {
  await using server = new StreamServer();
  server.refuse = () => Response.json({ code: "forbidden", detail: "not yours" }, { status: 403 });
  await using client = open(server, { transport: "ws" });
  const closed = await client.states.waitFor(({ state }) => state === "closed");
  assert.deepEqual(closed, { state: "closed", reason: "not yours" });
  await assert.rejects(client[Symbol.asyncIterator]().next(), { code: "forbidden", status: 403 });
});

Deno.test("Telecast in WebSocket-only mode never stays on SSE", async () => {
  await using server = new StreamServer();
  let refusals = 2;
  server.refuse = (transport) =>
    transport === "ws" && refusals-- > 0 ? new Response(null, { status: 400 }) : undefined;
  await using client = open(server, { transport: "ws" });
  await client.opened();
  assert.deepEqual(client.state, { state: "open", transport: "ws" });
});

Deno.test("Telecast backs off from an unavailable server, with delays from the injected random", async () => {
  await using server = new StreamServer();
  server.refuse = () => new Response(null, { status: 503 });
  const draws = [1, 0.5, 1, 1, 1];
  await using client = open(server, {
    transport: "sse",
    backoff: { baseMs: 2, maxMs: 9 },
    random: () => draws.shift() ?? 0,
  });
  const waits = await client.states.waitForCount(5, ({ state }) => state === "waiting");
  const delays = waits.map((state) => state.state === "waiting" && state.retryInMs);
  assert.deepEqual(delays, [2, 2, 8, 9, 9]);
  server.refuse = () => undefined;
  await client.opened();
});

Deno.test("Telecast closes for good if the server says that its request is invalid", async () => {
  await using server = new StreamServer();
  await using client = open(server);
  const stream = await server.stream(0);
  stream.frame("error", { code: "too_many_device_ids", message: "at most 500" });
  stream.close(1008);
  await client.states.waitFor(({ state }) => state === "closed");
  await assert.rejects(async () => {
    for await (const _ of client);
  }, { code: "too_many_device_ids", fatal: true });
  assert.equal(server.requests.length, 1);
});

Deno.test("Telecast.close() ends iterators without an error and leaves nothing behind", async () => {
  await using server = new StreamServer();
  const client = open(server);
  const reading = (async () => {
    const seen = [];
    for await (const { data } of client) seen.push(data);
    return seen;
  })();
  await client.opened();
  server.publish(1);
  await client.messages.waitForCount(1);
  await client.close();
  assert.deepEqual(await reading, [1]);
  assert.deepEqual(client.state, { state: "closed", reason: "closed by the client" });
  await assert.rejects(client.subscribe("B"), /closed/);
});

Deno.test("Telecast closes when its signal aborts, also while it waits for a token", async () => {
  await using server = new StreamServer();
  const stop = new AbortController();
  const client = open(server, { signal: stop.signal, token: () => new Promise(() => {}) });
  await client.states.waitFor(({ state }) => state === "connecting");
  stop.abort();
  await client.states.waitFor(({ state }) => state === "closed");
  assert.equal(server.requests.length, 0);
});
