/** Devices, their last messages, and their history. */

import assert from "node:assert/strict";
import { eventually } from "../../kit/eventually.ts";
import { numbered, numbersOf, range, Rig } from "../rig.ts";

async function messages(rig: Rig, id: string, query = "") {
  const response = await rig.fetch(`/api/v1/devices/${encodeURIComponent(id)}/messages?${query}`);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "application/json");
  const text = await response.text();
  return { text, ...JSON.parse(text) };
}

Deno.test("devices lists each device once, with the time of its last message, and its state", async () => {
  await using rig = await Rig.start({ env: { STALE_SECONDS: "1" } });
  assert.deepEqual(await rig.json("/api/v1/devices"), { devices: [], next: null });
  const before = Date.now();
  rig.publish("A", 1);
  await eventually("A is stale", () => rig.hub.presence.of("A") === "stale");
  rig.publish("B", 1);
  rig.publish("B", 2);
  const { devices, next } = await rig.json("/api/v1/devices");
  assert.equal(next, null);
  assert.deepEqual(
    devices.map(({ device_id, state }: Record<string, string>) => [device_id, state]),
    [["A", "stale"], ["B", "online"]],
  );
  for (const device of devices) {
    assert.deepEqual(Object.keys(device), ["device_id", "last_seen", "state"]);
    assert.equal(new Date(device.last_seen).toISOString(), device.last_seen);
    const seen = Date.parse(device.last_seen);
    assert.ok(seen >= before && seen <= Date.now());
  }
});

Deno.test("devices: pages contain each device once, also while more arrive", async () => {
  await using rig = await Rig.start();
  const all = range(1, 250).map((n) => `d${n}`);
  for (const id of all) rig.publish(id, 1);
  const seen: string[] = [];
  let page = "/api/v1/devices?limit=60";
  for (let pages = 0;; pages++) {
    const { devices, next } = await rig.json(page);
    seen.push(...devices.map(({ device_id }: { device_id: string }) => device_id));
    if (next === null) break;
    assert.equal(devices.length, 60);
    assert.equal(typeof next, "string");
    rig.publish(all[pages]!, 2);
    if (pages === 0) rig.publish("late", 1);
    page = `/api/v1/devices?limit=60&next=${encodeURIComponent(next)}`;
  }
  assert.deepEqual(seen, [...all, "late"]);
  assert.equal((await rig.json("/api/v1/devices")).devices.length, 100);
});

Deno.test("devices: the search for a late page lets live messages pass", async () => {
  await using rig = await Rig.start();
  const entries = Array.from({ length: 20_000 }, (_, i) => ({ deviceId: `d${i}`, payload: "1" }));
  rig.fanout.publish(entries);
  const { startScheduler } = rig.hub;
  const pass = startScheduler.pass.bind(startScheduler);
  let passes = 0;
  startScheduler.pass = () => (passes++, pass());
  const { devices, next } = await rig.json("/api/v1/devices?limit=2&next=19997");
  assert.deepEqual(devices.map((one: { device_id: string }) => one.device_id), [
    "d19997",
    "d19998",
  ]);
  assert.equal(next, "19999");
  assert.ok(passes >= 9, `${passes} steps`);
});

Deno.test("devices and messages: a bad limit or next is a 400 problem that names it", async () => {
  await using rig = await Rig.start();
  rig.publish("A", 1);
  const bad = ["limit=0", "limit=1001", "limit=x", "limit=-1", "limit=1.5", "next=x", "next=-1"];
  for (const query of bad) {
    const problem = await rig.json(`/api/v1/devices?${query}`);
    assert.deepEqual([problem.status, problem.code], [400, `bad_${query.split("=")[0]}`]);
    if (query.startsWith("next")) continue;
    const response = await rig.fetch(`/api/v1/devices/A/messages?${query}`);
    assert.equal(response.status, 400);
    assert.equal((await response.json()).code, "bad_limit");
  }
});

Deno.test("a device has its last message exactly as sent, between the contract's keys", async () => {
  await using rig = await Rig.start();
  const payload = '{ "n":1.0,"LATITUD":"+20.652472","big":12345678901234567890,"a":{"2":1,"1":2} }';
  rig.publish("A", 1);
  rig.publish("A", payload);
  const response = await rig.fetch("/api/v1/devices/A");
  assert.equal(response.headers.get("content-type"), "application/json");
  const text = await response.text();
  assert.match(
    text,
    /^\{"device_id":"A","last_seen":"\d{4}-\d\d-\d\dT[\d:.]+Z","state":"online","message":\{/,
  );
  assert.ok(text.endsWith(`"message":${payload}}`));
});

Deno.test("devices with any name can be requested, and unknown ones are 404 problems", async () => {
  await using rig = await Rig.start();
  const names = ["coche-😀", "a/b", "a b", "100%", "a,b", "p*", "*", "?x=1#y", "..", "%41", "ñ"];
  for (const name of names) rig.publish(name, numbered(name, 1));
  rig.publish("p1", 1);
  for (const name of names) {
    const path = `/api/v1/devices/${encodeURIComponent(name).replace("..", "%2e%2e")}`;
    if (name !== "..") {
      assert.equal((await rig.json(path)).device_id, name);
      assert.deepEqual((await messages(rig, name)).messages, [{ device_id: name, n: 1 }]);
    }
  }
  for (const name of ["unknown", "A*", "a", "b"]) {
    for (const rest of ["", "/messages"]) {
      const response = await rig.fetch(`/api/v1/devices/${name}${rest}`);
      assert.equal(response.status, 404);
      assert.equal(response.headers.get("content-type"), "application/problem+json");
      assert.equal((await response.json()).code, "unknown_device");
    }
  }
});

Deno.test("messages returns everything stored of one device, oldest first, as it was sent", async () => {
  await using rig = await Rig.start();
  const payloads = ['{"n":1.0}', '{ "s":"+20.652472" }', "[]", '"😀"'];
  for (const payload of payloads) {
    rig.publish("A", payload);
    rig.publish("B", 1);
  }
  const { text, next } = await messages(rig, "A");
  assert.ok(text.startsWith(`{"messages":[${payloads.join(",")}],"next":null`), text);
  assert.equal(next, null);
});

Deno.test("messages: pages by limit and since reach the end without a gap or a repeat", async () => {
  await using rig = await Rig.start();
  for (const n of range(1, 105)) {
    rig.publish("A", n);
    rig.publish("B", 1000 + n);
  }
  const seen: number[] = [];
  let since = "";
  let pages = 0;
  do {
    const page = await messages(rig, "A", `limit=10${since && `&since=${since}`}`);
    seen.push(...page.messages.map(({ n }: { n: number }) => n));
    assert.ok(page.messages.length <= 10);
    since = page.next ?? "";
    pages++;
  } while (since);
  assert.deepEqual([seen, pages], [range(1, 105), 11]);
  assert.equal((await messages(rig, "A")).messages.length, 100);
  assert.equal((await messages(rig, "A", "limit=1000")).messages.length, 105);
  // A page that ends exactly at the last message is the last one.
  const whole = await messages(rig, "A", "limit=105");
  assert.deepEqual([whole.messages.length, whole.next], [105, null]);
});

Deno.test("messages: pages of large messages, read in several steps, lose none", async () => {
  await using rig = await Rig.start();
  const filler = "x".repeat(60_000);
  for (const n of range(1, 12)) rig.publish("A", JSON.stringify({ n, filler }));
  for (const limit of [1, 4, 5, 6]) {
    const seen: number[] = [];
    let since = "";
    do {
      const page = await messages(rig, "A", `limit=${limit}${since && `&since=${since}`}`);
      seen.push(...page.messages.map(({ n }: { n: number }) => n));
      since = page.next ?? "";
    } while (since);
    assert.deepEqual(seen, range(1, 12));
  }
});

Deno.test("messages: since accepts a stream's cursor, and a stream accepts a page's next", async () => {
  await using rig = await Rig.start();
  rig.publish("A", 1);
  const cursor = rig.publish("B", 1);
  rig.publish("A", 2, 3);
  const { messages: found, next } = await messages(rig, "A", `since=${cursor}&limit=1`);
  assert.deepEqual(found.map(({ n }: { n: number }) => n), [2]);
  await using client = await rig.sse(`device_ids=A&since=${next}`);
  await client.waitForEvent("resumed");
  assert.deepEqual(numbersOf(client.payloads), [3]);
});

Deno.test("messages: an invalid or expired cursor changes the status and is not an error", async () => {
  await using rig = await Rig.start({ recentMaxBytes: 2000 });
  const old = rig.publish("A", 1);
  rig.publish("A", ...range(2, 40));
  for (const since of ["forged", "x".repeat(10_000), rig.cursorAt(99)]) {
    const { messages: found, next, status } = await messages(rig, "A", `since=${since}`);
    assert.deepEqual([found, next, status], [[], null, "none"]);
  }
  const { messages: left, status } = await messages(rig, "A", `since=${old}`);
  assert.equal(status, "partial");
  assert.equal(left.at(-1).n, 40);
  const { messages: kept } = await messages(rig, "A");
  assert.deepEqual(kept, left);
});
