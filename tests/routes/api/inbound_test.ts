/** Messages from people over `WS /ws`. */

import assert from "node:assert/strict";
import { INBOUND_ANSWERS, INBOUND_FRAMES } from "../../../routes/api/inbound_schemas.ts";
import { eventually } from "../../kit/eventually.ts";
import { WsClient } from "../../kit/clients/ws_client.ts";
import { everyServer, range, Rig } from "../rig.ts";
import { answers, connect, jobs, message, UnsteadyKv, webhook } from "./inbound_kit.ts";

everyServer.test("WS /ws acks a message once it is stored, in WhatsApp's webhook or alone", async ({ start }) => {
  await using rig = await start();
  await using peer = await connect(rig);
  peer.send(message("wamid.1"));
  peer.send(webhook(message("wamid.2"), message("wamid.3", "57300")));
  peer.send({ message_id: "m4", sender: "+57300", text: "hola" });
  peer.send(webhook());
  peer.send({ event: "message", data: message("wamid.5") });
  assert.deepEqual(await answers(peer, 6), [
    { event: "ack", data: { id: "wamid.1", status: "queued" } },
    { event: "ack", data: { id: "wamid.2", status: "queued" } },
    { event: "ack", data: { id: "wamid.3", status: "queued" } },
    { event: "ack", data: { id: "m4", status: "queued" } },
    { event: "ack", data: { id: null } },
    { event: "ack", data: { id: "wamid.5", status: "queued" } },
  ]);
  const stored = await jobs(rig.work);
  const bodies = stored.map(({ value }) => (value.data as { message: unknown }).message);
  assert.equal(
    new Set(stored.map(({ partition }) => partition)).size,
    2,
    "one partition for each sender",
  );
  for (const body of [message("wamid.1"), webhook(message("wamid.2"))]) {
    assert.ok(bodies.some((other) => JSON.stringify(other) === JSON.stringify(body)));
  }
  assert.ok(
    !stored.some(({ id }) => atob(id.split(".")[1]!).includes("57300")),
    "no number in ids",
  );
});

everyServer.test("WS /ws queues a message once, however often it arrives, in order by sender", async ({ start }) => {
  await using rig = await start();
  await using one = await connect(rig);
  await using two = await connect(rig);
  const senders = ["1", "2", "3"];
  for (const n of range(1, 150)) {
    for (const from of senders) one.send(message(`${from}-${n}`, from));
    if (n % 10 === 0) two.send(message(`1-${n}`, "1"));
  }
  const acks = await answers(one, 450);
  await answers(two, 15);
  assert.ok(acks.every(({ event }) => event === "ack"));
  const again = { event: "ack", data: { id: "2-150", status: "repeat" } };
  one.send(message("2-150", "2"));
  assert.deepEqual((await answers(one, 451)).at(-1), again);
  const byPartition = Map.groupBy(await jobs(rig.work), ({ partition }) => partition);
  assert.equal(byPartition.size, 3);
  for (const partition of byPartition.values()) {
    const ids = partition.map(({ value }) =>
      (value.data as { message: { id: string } }).message.id
    );
    const mine = ids.map((id) => Number(id.split("-")[1]));
    if (ids[0]!.startsWith("1-")) assert.equal(new Set(mine).size, 150);
    else assert.deepEqual(mine, range(1, 150));
  }
});

everyServer.test("WS /ws reports what is wrong with a message, and continues", async ({ start }) => {
  await using rig = await start();
  await using peer = await connect(rig);
  const cases: readonly (readonly [unknown, string, RegExp])[] = [
    ["{", "bad_json", /JSON/],
    ["[]", "bad_message", /the message/],
    [{ id: "x", text: "hola" }, "bad_message", /from/],
    [{ from: {}, text: "hola" }, "bad_message", /from/],
    [{ from: "1", id: ["x"] }, "bad_message", /^id/],
    [{ from: "1", id: "x".repeat(300) }, "bad_message", /^id/],
    [webhook({ id: "x" }), "bad_message", /messages\.from/],
    [{ from: "1", id: "x", text: "x".repeat(60_000) }, "too_large", /60000/],
  ];
  for (const [sent] of cases) peer.send(sent);
  peer.send(message("wamid.9"));
  const said = await answers(peer, cases.length + 1);
  cases.forEach(([, code, text], i) => {
    assert.deepEqual([said[i].event, said[i].data.code], ["error", code]);
    assert.match(said[i].data.message, text);
  });
  assert.equal(said[2].data.id, "x");
  assert.deepEqual(said.at(-1).data, { id: "wamid.9", status: "queued" });
  assert.deepEqual(rig.inbound.totals, {
    received: 9,
    queued: 1,
    repeat: 0,
    refused: 8,
    overflowed: 0,
  });
});

everyServer.test("asyncapi.json describes the actual frames of /ws", async ({ start }) => {
  await using rig = await start();
  await using peer = await connect(rig);
  peer.send(message("wamid.1"));
  peer.send("{");
  const [ack, error] = await answers(peer, 2);
  for (const [name, frame] of [["ack", ack], ["refusal", error]] as const) {
    assert.deepEqual(INBOUND_ANSWERS[name]!.schema.parse(frame), frame);
  }
  assert.ok(INBOUND_FRAMES.person!.schema.safeParse(message("wamid.1")).success);
  assert.ok(INBOUND_FRAMES.webhook!.schema.safeParse(webhook(message("wamid.1"))).success);
  const { channels, operations } = await rig.json("/asyncapi.json");
  assert.equal(channels.inbound.address, "/ws");
  for (const { messages } of [operations.handIn, operations.answer]) {
    for (const { $ref } of messages) {
      const name = $ref.replace("#/channels/inbound/messages/", "");
      assert.ok(channels.inbound.messages[name].payload.properties, name);
    }
  }
});

everyServer.test("WS /ws accepts JSON in binary frames too", async ({ start }) => {
  await using rig = await start();
  await using peer = await connect(rig);
  peer.sendBytes(new TextEncoder().encode(JSON.stringify(message("wamid.1"))));
  peer.sendBytes(new Uint8Array([0xff]));
  const said = await answers(peer, 2);
  assert.deepEqual(said.map(({ event }) => event), ["ack", "error"]);
});

everyServer.test("WS /ws closes on a frame over 64 KiB and on more than 100 errors a minute", async ({ start }) => {
  await using rig = await start();
  await using large = await connect(rig);
  large.send("x".repeat(65_537));
  assert.equal((await large.waitForClose()).code, 1009);
  await using noisy = await connect(rig);
  for (const _ of range(1, 250)) noisy.send("no json");
  assert.equal((await noisy.waitForClose()).code, 1008);
  // A new minute may begin in between.
  assert.ok(noisy.frames.items.length <= 202);
  await eventually("both are forgotten", () => rig.inbound.peers.size === 0);
});

everyServer.test("WS /ws refuses a message with queue_full if there is no room", async ({ start }) => {
  await using rig = await start();
  await using peer = await connect(rig);
  rig.admits = false;
  peer.send(message("wamid.1"));
  const [said] = await answers(peer, 1);
  assert.deepEqual([said.event, said.data.code, said.data.id], ["error", "queue_full", "wamid.1"]);
  assert.deepEqual(await jobs(rig.work), []);
});

everyServer.test("WS /ws acks only stored messages, and stores them once if the answer was lost", async ({ start }) => {
  const work = new UnsteadyKv();
  await using rig = await start({ work });
  await using peer = await connect(rig);
  work.away = true;
  for (const n of range(1, 30)) peer.send(message(`w${n}`));
  await eventually("they wait", () => rig.inbound.inbox.pending === 30);
  work.away = false;
  work.loseAnswers = true;
  await eventually("a commit lands", async () => (await jobs(work)).length > 0);
  assert.deepEqual(peer.frames.items, []);
  work.loseAnswers = false;
  const said = await answers(peer, 30);
  assert.deepEqual(said.map(({ data }) => data.id), range(1, 30).map((n) => `w${n}`));
  const ids = (await jobs(work)).map(({ value }) =>
    (value.data as { message: { id: string } }).message.id
  );
  assert.deepEqual(ids, range(1, 30).map((n) => `w${n}`));
});

everyServer.test("WS /ws closes a peer that does not wait for its answers: waiting messages are limited", async ({ start }) => {
  const work = new UnsteadyKv();
  await using rig = await start({ work });
  await using peer = await connect(rig);
  work.away = true;
  const text = "x".repeat(50_000);
  // The last one exceeds the limit: frames in flight at the close could hide its code.
  for (const n of range(1, 167)) peer.send({ ...message(`w${n}`), text });
  await eventually("they wait", () => rig.inbound.inbox.pending === 167);
  peer.send({ ...message("w168"), text });
  assert.equal((await peer.waitForClose()).code, 1013);
  assert.equal(rig.inbound.totals.overflowed, 1);
  await eventually("waiting messages are discarded", () => rig.inbound.inbox.pending === 0);
  work.away = false;
  assert.deepEqual(await jobs(work), []);
});

Deno.test("WS /ws limits waiting bytes of all peers together, and answers queue_full beyond that", async () => {
  const work = new UnsteadyKv();
  await using rig = await Rig.start({ work });
  await using stack = new AsyncDisposableStack();
  work.away = true;
  const text = "x".repeat(50_000);
  const peers: WsClient[] = [];
  // Each stays below the limit of one peer.
  for (const n of range(1, 12)) {
    const peer = stack.use(await connect(rig));
    peers.push(peer);
    for (const m of range(1, 150)) peer.send({ ...message(`${n}.${m}`, `${n}`), text });
  }
  await eventually("all arrived", () => rig.inbound.totals.received === 12 * 150);
  const held = rig.inbound.waitingBytes;
  assert.ok(held > 60_000_000 && held < 70_000_000, `${held} bytes wait`);
  assert.ok(rig.inbound.inbox.pending < 1_400, `${rig.inbound.inbox.pending} messages wait`);
  work.away = false;
  for (const peer of peers) await peer.frames.waitForCount(150);
  const codes = peers.flatMap(({ frames }) => frames.items.map((item) => JSON.parse(item)))
    .map(({ data }) => data.code ?? data.status);
  assert.deepEqual([...new Set(codes)].sort(), ["queue_full", "queued"]);
  await eventually("nothing waits", () => rig.inbound.waitingBytes === 0);
});

Deno.test("WS /ws refuses a webhook whose split messages would be a hundred times its size", async () => {
  await using rig = await Rig.start();
  await using peer = await connect(rig);
  const messages = range(1, 100).map((n) => ({ from: "1", id: `m${n}` }));
  peer.send({ ...webhook(...messages), shared: "x".repeat(50_000) });
  peer.send({ ...webhook(...messages), shared: "x".repeat(2_000) });
  const said = await answers(peer, 101);
  assert.deepEqual([said[0].data.code, said[1].data.status], ["bad_message", "queued"]);
  assert.equal((await jobs(rig.work)).length, 100);
});

Deno.test("WS /ws accepts JSON of any depth within a frame, and fields of any name", async () => {
  await using rig = await Rig.start();
  await using peer = await connect(rig);
  const deep = "[".repeat(25_000) + "]".repeat(25_000);
  const frames = [
    `{"from":"1","id":"a","x":${deep}}`,
    `{"data":{"from":"1","id":"b","x":${deep}}}`,
    `{"entry":[{"changes":[{"value":{"messages":[{"from":"1","id":"c","x":${deep}}]}}]}]}`,
    '{"from":"__proto__","id":"constructor","__proto__":{"from":"2"},"toString":1}',
    '{"entry":[null,{"changes":[1,{"value":{"messages":[[],{"from":"1","id":"d"}]}}]}]}',
  ];
  for (const frame of frames) peer.send(frame);
  const said = await answers(peer, frames.length);
  assert.deepEqual(said.map(({ data }) => data.id), ["a", "b", "c", "constructor", "d"]);
  assert.ok(said.every(({ event }) => event === "ack"));
  const stored = (await jobs(rig.work)).map(({ value }) => JSON.stringify(value.data));
  assert.ok(stored.some((text) => text.includes('"__proto__":{"from":"2"},"toString":1')));
});
