import assert from "node:assert/strict";
import { StreamServer } from "./stream_server.ts";
import { open } from "./open.ts";

Deno.test("Telecast's iterator keeps the newest messages for a slow reader and counts the others", async () => {
  await using server = new StreamServer();
  await using client = open(server, { bufferSize: 3 });
  const reader = client[Symbol.asyncIterator]();
  await client.opened();
  for (let n = 1; n <= 10; n++) server.publish(n);
  await client.messages.waitForCount(10);
  const seen = [await reader.next(), await reader.next(), await reader.next()];
  assert.deepEqual(seen.map(({ value }) => value.data), [8, 9, 10]);
  assert.equal(client.overflowed, 7);
});

Deno.test("Telecast's iterator in mode latest gives a slow reader the newest message of each device", async () => {
  await using server = new StreamServer();
  const DEVICES = 50;
  for (const mode of [{ mode: "latest" }, { maxRate: 5 }] as const) {
    await using client = open(server, mode);
    const reader = client[Symbol.asyncIterator]();
    await client.opened();
    const newest = new Map<string, number>();
    const before = client.messages.items.length;
    let published = 0;
    const publish = (rounds: number) => {
      for (let i = 0; i < rounds * DEVICES; i++) {
        const device_id = `d${i % DEVICES}`;
        newest.set(device_id, ++published);
        server.publish({ device_id, n: published });
      }
      return client.messages.waitForCount(before + published);
    };
    // Each device gets its turn, however fast it sends, and its newest message is read.
    for (let round = 0; round < 2; round++) {
      const read = new Set<string>();
      for (let i = 0; i < DEVICES; i++) {
        await publish(2);
        const { value } = await reader.next();
        const { device_id, n } = value.data as unknown as { device_id: string; n: number };
        assert.equal(n, newest.get(device_id));
        read.add(device_id);
      }
      assert.equal(read.size, DEVICES);
    }
    assert.equal(client.overflowed, 0);
  }
});

Deno.test("Telecast's iterator in mode latest holds bufferSize devices, and uses deviceIdOf", async () => {
  await using server = new StreamServer();
  await using client = open(server, {
    mode: "latest",
    bufferSize: 2,
    deviceIdOf: ({ at }: { at: string }) => at,
  });
  const reader = client[Symbol.asyncIterator]();
  await client.opened();
  for (const data of [{ at: "A", n: 1 }, { at: "B" }, { at: "A", n: 2 }, { at: "C" }, 7, 8]) {
    server.publish(data);
  }
  await client.messages.waitForCount(6);
  // A message without a device replaces nothing.
  assert.deepEqual((await reader.next()).value.data, 7);
  assert.deepEqual((await reader.next()).value.data, 8);
  assert.equal(client.overflowed, 3);
});

Deno.test("Telecast continues if a listener throws", async () => {
  await using server = new StreamServer();
  await using client = open(server);
  const thrown = Promise.withResolvers<string>();
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    thrown.resolve(event.message);
  };
  globalThis.addEventListener("error", onError);
  const off = client.on("message", () => {
    throw new Error("a fault of the page");
  });
  await client.opened();
  server.publish(1);
  assert.match(await thrown.promise, /a fault of the page/);
  off();
  server.publish(2);
  await client.messages.waitForCount(2);
  globalThis.removeEventListener("error", onError);
});

Deno.test("Telecast.ping() measures a WebSocket and returns undefined for SSE", async () => {
  await using server = new StreamServer();
  await using ws = open(server, { transport: "ws" });
  await using sse = open(server, { transport: "sse" });
  await Promise.all([ws.opened(), sse.opened()]);
  assert((await ws.ping())! >= 0);
  assert.equal(await sse.ping(), undefined);
});
