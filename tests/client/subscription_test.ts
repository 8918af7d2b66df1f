import assert from "node:assert/strict";
import { Telecast } from "../../client/telecast.ts";
import type { TelecastOptions } from "../../client/types.ts";
import { eventually } from "../kit/eventually.ts";
import { Rig } from "../routes/rig.ts";
import { type ServerStream, StreamServer } from "./stream_server.ts";

function open(server: StreamServer, options: Partial<TelecastOptions> = {}) {
  const client = new Telecast<number>(server.url, {
    deviceIds: ["A"],
    backoff: { baseMs: 1, maxMs: 5 },
    ...options,
  });
  const data: number[] = [];
  client.on("message", (message) => data.push(message.data));
  return Object.assign(client, { data });
}

/** The next command that is not a ping. */
function command(stream: ServerStream, n = 0) {
  return stream.commands.waitForCount(n + 1, ({ action }) => action !== "ping")
    .then((commands) => commands[n]);
}

Deno.test("Telecast.subscribe() and unsubscribe() send commands, one at a time", async () => {
  await using server = new StreamServer();
  await using client = open(server);
  const stream = await server.stream(0);
  await eventually("open", () => client.state.state === "open");

  const first = client.subscribe([" B", "C"], { snapshot: true });
  const second = client.unsubscribe("A");
  assert.deepEqual(await command(stream), {
    action: "subscribe",
    device_ids: ["B", "C"],
    snapshot: true,
  });
  await client.ping();
  assert.equal(stream.commands.items.some(({ action }) => action === "unsubscribe"), false);
  stream.frame("subscribed", { device_ids: ["A", "B", "C"] });
  await first;
  assert.deepEqual(client.deviceIds, ["A", "B", "C"]);
  assert.deepEqual(await command(stream, 1), { action: "unsubscribe", device_ids: ["A"] });
  stream.frame("subscribed", { device_ids: ["B", "C"] });
  await second;
  assert.deepEqual(client.deviceIds, ["B", "C"]);
  assert.equal(server.requests.length, 1);
});

Deno.test("Telecast.subscribe() rejects if the server refuses, and the stream continues", async () => {
  await using server = new StreamServer();
  await using client = open(server);
  const stream = await server.stream(0);
  await eventually("open", () => client.state.state === "open");
  const refused = assert.rejects(client.subscribe("X"), { code: "forbidden" });
  await command(stream);
  stream.frame("error", { code: "forbidden", message: "not yours" });
  await refused;
  assert.deepEqual(client.deviceIds, ["A"]);
  server.publish(1);
  await eventually("the message", () => client.data.length === 1);
});

Deno.test("Telecast.subscribe() with a cursor gets its replay, which does not move the cursor", async () => {
  await using server = new StreamServer();
  await using client = open(server);
  const stream = await server.stream(0);
  await eventually("a cursor", () => client.cursor === "0");
  const done = client.subscribe("B", { since: "old" });
  assert.equal((await command(stream))!.since, "old");
  stream.frame("subscribed", { device_ids: ["A", "B"] });
  stream.frame("message", 100);
  server.publish(1);
  stream.frame("message", 101);
  stream.frame("resumed", { status: "full", replayed: 2 });
  await done;
  await eventually("all messages", () => client.data.length === 3);
  assert.deepEqual(client.data, [100, 1, 101]);
  assert.equal(client.cursor, "1");
});

Deno.test("Telecast restarts a replay that a lost connection has interrupted", async () => {
  await using server = new StreamServer();
  await using client = open(server);
  const stream = await server.stream(0);
  await eventually("a cursor", () => client.cursor === "0");
  const done = client.subscribe("B", { since: "old" });
  await command(stream);
  stream.frame("subscribed", { device_ids: ["A", "B"] });
  await done;
  stream.close(1011);
  const next = await server.stream(1);
  assert.equal(next.params.get("device_ids"), "A");
  assert.deepEqual(await command(next), { action: "subscribe", device_ids: ["B"], since: "old" });
});

Deno.test("Telecast repeats a command that a lost connection has not answered", async () => {
  await using server = new StreamServer();
  await using client = open(server);
  const stream = await server.stream(0);
  await eventually("a cursor", () => client.cursor === "0");
  const done = client.subscribe("B");
  await command(stream);
  server.publish(1);
  stream.close(1011);
  const next = await server.stream(1);
  assert.equal(next.params.get("device_ids"), "A,B");
  await done;
  await eventually("the message", () => client.data.length === 1);
});

Deno.test("Telecast over SSE reopens the stream for another list, without a gap", async () => {
  await using server = new StreamServer();
  await using client = open(server, { transport: "sse" });
  await eventually("open", () => client.state.state === "open");
  server.publish(1);
  await eventually("the first", () => client.data.length === 1);
  const done = client.subscribe("B");
  server.publish(2);
  await done;
  await client.unsubscribe("A");
  const streams = server.streams.items.map(({ params }) => params.get("device_ids"));
  assert.deepEqual(streams, ["A", "A,B", "B"]);
  await eventually("the second", () => client.data.length === 2);
  assert.deepEqual(client.data, [1, 2]);
  await assert.rejects(client.subscribe("C", { since: "1" }), { code: "since_unsupported" });
});

Deno.test("Telecast over SSE returns to its previous list if the server refuses the new one", async () => {
  await using server = new StreamServer();
  await using client = open(server, { transport: "sse" });
  await eventually("open", () => client.state.state === "open");
  server.refuse = () =>
    server.requests.at(-1)!.url.searchParams.get("device_ids")!.includes("X")
      ? Response.json({ code: "forbidden", detail: "not yours" }, { status: 403 })
      : undefined;
  await assert.rejects(client.subscribe("X"), { code: "forbidden", status: 403 });
  await eventually("open again", () => client.state.state === "open");
  assert.deepEqual(client.deviceIds, ["A"]);
});

Deno.test("Telecast opens nothing while no device is subscribed to", async () => {
  await using server = new StreamServer();
  await using client = open(server, { deviceIds: [] });
  await eventually("idle", () => client.state.state === "idle");
  await client.subscribe("A");
  assert.equal((await server.stream(0)).params.get("device_ids"), "A");
  await client.unsubscribe("A");
  await (await server.stream(0)).closed;
  await eventually("idle", () => client.state.state === "idle");
  server.publish(1);
  await client.subscribe("B");
  server.publish(2);
  await eventually("a message", () => client.data.length === 1);
  assert.deepEqual(client.data, [2]);
});

Deno.test("Telecast.close() leaves no command waiting", async () => {
  await using server = new StreamServer();
  server.automatic = false;
  const client = open(server);
  const stream = await server.stream(0);
  await eventually("open", () => client.state.state === "open");
  const commands = [client.subscribe("B"), client.subscribe("C", { since: "old" })];
  await command(stream);
  await client.close();
  await Promise.all(commands);
});

for (const transport of ["ws", "sse"] as const) {
  Deno.test(`Telecast over ${transport}: text is split at commas, a list is not, also after a reconnect`, async () => {
    await using rig = await Rig.start();
    const items = () => [...rig.hub.sessions].map(({ interest }) => interest.items.toSorted());
    const options = { transport, backoff: { baseMs: 1, maxMs: 5 } } as const;
    await using client = new Telecast(rig.url, { deviceIds: ["a,b", "c", "c*"], ...options });
    await eventually("open", () => client.state.state === "open");
    await client.subscribe("d, e");
    await client.subscribe(["f,g"]);
    const all = ["a,b", "c", "c*", "d", "e", "f,g"];
    await eventually("subscribed", () => items().length === 1 && items()[0]!.length === 6);
    assert.deepEqual([items()[0], client.deviceIds.toSorted()], [all, all]);
    rig.hub.goodbye([...rig.hub.sessions][0]!, "drain", 0);
    await eventually("it is back", () => items().length === 1);
    assert.deepEqual(items()[0], all);
    await client.unsubscribe(["a,b", "c*"]);
    await client.unsubscribe("d,e");
    await eventually("fewer", () => items().length === 1 && items()[0]!.length === 2);
    assert.deepEqual(items()[0], ["c", "f,g"]);
  });
}

Deno.test("Telecast refuses a prefix with a comma; if a token has one, it asks for everything granted", async () => {
  await using server = new StreamServer();
  const deviceIds = ["A", "x,*"];
  assert.throws(() => new Telecast(server.url, { deviceIds }), /TypeError: .*x,\*/);
  await using client = open(server);
  await assert.rejects(client.subscribe(["x,*"]), TypeError);
  const stream = await server.stream(0);
  await eventually("open", () => client.state.state === "open");
  const done = client.subscribe("*");
  await command(stream);
  stream.frame("subscribed", { device_ids: deviceIds });
  await done;
  stream.close(1011);
  const next = await server.stream(1);
  assert.deepEqual(next.params.getAll("device_ids"), ["A,*"]);
  assert.deepEqual(next.params.getAll("device_id"), []);
});
