/** Device ids in queries, commands and tokens: each form means exactly its devices. */

import assert from "node:assert/strict";
import type { Received } from "../../kit/received.ts";
import type { WsClient } from "../../kit/clients/ws_client.ts";
import { everyServer, numbered, Rig } from "../rig.ts";
import { bearer, posted, SECRET, sign } from "../signed.ts";

/** Ids that have a special meaning in some notation. */
const ODD = [
  ...["x,*", "*", "x*", "**", "a,b", ",", "a b", "a  b", 'say "hi"', "it's", "50%", "%2A", "%2C"],
  ...["a/b", "/", "..", "a?b", "a#b", "a&b=c", "a+b", "a;b", "\\", "ñ", "😀", "<b>", "{}", "[1]"],
  ...["__proto__", "constructor", "null", "device_ids=*", "a\tb", "\u0000", "x".repeat(128)],
];
/** Devices that a wrong interpretation of an odd id would show. */
const OTHERS = ["x", "xy", "a", "b", "y", "A", "50", "", "hi"];
const env = { AUTH_JWT_SECRET: SECRET };
const exactly = (id: string) => `device_id=${encodeURIComponent(id)}`;

/** The devices whose messages `client` was sent after every device has published. */
async function heard(rig: Rig, client: { readonly events: WsClient["events"] }): Promise<string[]> {
  const from = client.events.items.length;
  const speakers = [...OTHERS, ...ODD];
  for (const id of speakers) rig.publish(id, 1);
  rig.publish("the last", 1);
  const isLast = ({ data }: Received) => data === numbered("the last", 1);
  await client.events.waitFor(isLast, { from });
  return client.events.items.slice(from)
    .filter((item) => item.event === "message" && !isLast(item))
    .map(({ data }) => JSON.parse(data).device_id);
}

for (const transport of ["ws", "sse"] as const) {
  Deno.test(`${transport}: device_id is one literal id, with device_ids or alone`, async (t) => {
    await using rig = await Rig.start();
    for (const id of ODD) {
      await t.step(JSON.stringify(id), async () => {
        const query = `${exactly(id)}&device_id=the+last&device_id=the+last`;
        await using client = await rig.open(transport, query);
        assert.deepEqual(await heard(rig, client), [id]);
      });
    }
    await using client = await rig.open(
      transport,
      `${exactly("x*")}&device_ids=xy,the last&${exactly("a,b")}`,
    );
    assert.deepEqual((await heard(rig, client)).toSorted(), ["a,b", "x*", "xy"]);
    assert.equal([...rig.hub.sessions].at(-1)!.interest.items.length, 4);
  });

  Deno.test(`${transport}: a token for one odd id grants only that id, however it is requested`, async (t) => {
    await using rig = await Rig.start({ env });
    // In a list an id that ends in * is a prefix: a token cannot grant only that id.
    for (const id of ODD.filter((id) => !id.endsWith("*"))) {
      await t.step(JSON.stringify(id), async () => {
        const text = await sign({ scope: "stream", device_ids: [id, "the last"] });
        for (const query of [`${exactly(id)}&device_id=the+last`, "device_ids=*"]) {
          await using client = await rig.open(transport, `${query}&access_token=${text}`);
          assert.deepEqual(await heard(rig, client), [id]);
        }
      });
    }
  });

  Deno.test(`${transport}: a list is never split: a prefix in a token keeps its commas`, async () => {
    await using rig = await Rig.start({ env });
    const text = await sign({ scope: "stream", device_ids: ["x,*", "the last"] });
    await using client = await rig.open(transport, `device_ids=*&access_token=${text}`);
    assert.deepEqual(await heard(rig, client), ["x,*"]);
    for (const query of ["device_ids=x", "device_ids=x*", exactly("x"), exactly("*")]) {
      const response = await rig.fetch(`/api/v1/stream?${query}`, bearer(text));
      const { code } = await response.json();
      assert.deepEqual([response.status, code], [403, "device_not_granted"], query);
    }
  });

  Deno.test(`${transport}: a text claim is split at commas`, async () => {
    await using rig = await Rig.start({ env });
    const text = await sign({ scope: "stream", device_ids: "xy, b,the last" });
    await using client = await rig.open(transport, `device_ids=*&access_token=${text}`);
    assert.deepEqual((await heard(rig, client)).toSorted(), ["b", "xy"]);
  });

  Deno.test(`${transport}: an empty device_ids or device_id is an error, whatever the default is`, async () => {
    for (const required of ["true", "false"]) {
      await using rig = await Rig.start({ env: { WS_REQUIRE_DEVICE_IDS: required } });
      const wrong = [
        ["device_ids=", "device_ids_required"],
        ["device_ids=,%20,", "device_ids_required"],
        ["device_ids=&device_ids=", "device_ids_required"],
        ["device_id=", "bad_device_id"],
        ["device_ids=A&device_id=", "bad_device_id"],
        ["device_id=A&device_id=", "bad_device_id"],
        [`device_id=${"x".repeat(129)}`, "device_id_too_long"],
      ] as const;
      for (const [query, code] of wrong) {
        if (transport === "sse") {
          const response = await rig.fetch(`/api/v1/stream?${query}`);
          assert.deepEqual([response.status, (await response.json()).code], [400, code], query);
        } else {
          await using client = await rig.ws(query);
          assert.equal((await client.waitForClose()).code, 1008, query);
          assert.equal(JSON.parse(client.frames.items[0]!).data.code, code, query);
        }
      }
      await using _one = await rig.open(transport, "device_ids=&device_id=A");
      assert.deepEqual([...rig.hub.sessions][0]!.interest.items, ["A"]);
    }
  });

  Deno.test(`${transport}: device_id and device_ids count together towards MAX_DEVICE_IDS`, async () => {
    await using rig = await Rig.start({ env: { MAX_DEVICE_IDS: "2" } });
    await using _two = await rig.open(transport, "device_ids=A&device_id=B&device_id=A");
    assert.equal(rig.hub.sessions.size, 1);
    const query = "device_ids=A&device_id=B&device_id=C";
    if (transport === "sse") {
      assert.equal((await rig.json(`/api/v1/stream?${query}`)).code, "too_many_device_ids");
    } else {
      await using three = await rig.ws(query);
      assert.equal((await three.waitForClose()).code, 1008);
    }
  });
}

/** Sends a command and returns the data of the event that answers it. */
async function ask(client: WsClient, command: unknown, answer = "subscribed"): Promise<string> {
  const from = client.events.items.length;
  client.send(command);
  return (await client.waitForEvent(answer, { from })).data;
}

Deno.test("commands do not split list entries, and an exact id stays exact", async () => {
  await using rig = await Rig.start();
  await using client = await rig.ws(`${exactly("x*")}&${exactly("*")}`);
  const more = await ask(client, { action: "subscribe", device_ids: ["a,b", "the last"] });
  assert.deepEqual(JSON.parse(more).device_ids, ["x*", "*", "a,b", "the last"]);
  assert.deepEqual((await heard(rig, client)).toSorted(), ["*", "a,b", "x*"]);
  const less = await ask(client, { action: "unsubscribe", device_ids: ["a,b", "*", "x"] });
  assert.deepEqual(JSON.parse(less).device_ids, ["x*", "the last"]);
  assert.deepEqual(await heard(rig, client), ["x*"]);
  // Now as a prefix, which covers the id; unsubscribing their common name removes both.
  await ask(client, { action: "subscribe", device_ids: ["x*"] });
  assert.deepEqual(
    (await heard(rig, client)).toSorted(),
    [...OTHERS, ...ODD].filter((id) => id.startsWith("x")).toSorted(),
  );
  const none = await ask(client, { action: "unsubscribe", device_ids: ["x*"] });
  assert.deepEqual(JSON.parse(none).device_ids, ["the last"]);
  assert.deepEqual(await heard(rig, client), []);
});

Deno.test("a command for an entry with a comma asks for that entry, not for its parts", async () => {
  await using rig = await Rig.start({ env });
  const text = await sign({ scope: "stream", device_ids: ["x,y", "the last"] });
  await using client = await rig.ws(`device_ids=the last&access_token=${text}`);
  for (const device_ids of [["x,*"], ["the last,*"], ["x"], ["y"], ["the last", "x,"]]) {
    const { code } = JSON.parse(await ask(client, { action: "subscribe", device_ids }, "error"));
    assert.equal(code, "device_not_granted", JSON.stringify(device_ids));
  }
  const granted = await ask(client, { action: "subscribe", device_ids: ["x,y"] });
  assert.deepEqual(JSON.parse(granted).device_ids, ["the last", "x,y"]);
  const left = await ask(client, { action: "unsubscribe", device_ids: ["the last,x,y", "x"] });
  assert.deepEqual(JSON.parse(left).device_ids, ["the last", "x,y"]);
});

Deno.test("an exact id is checked against a grant as an id, not as a prefix", async () => {
  await using rig = await Rig.start({ env });
  const text = await sign({ scope: "stream", device_ids: ["x*", "the last"] });
  await using client = await rig.ws(`${exactly("x*")}&device_ids=the last&access_token=${text}`);
  assert.deepEqual(await heard(rig, client), ["x*"]);
  const other = await sign({ scope: "stream", device_ids: ["x", "xy"] });
  for (const id of ["x*", "*", "xy*"]) {
    const response = await rig.fetch(`/api/v1/stream?${exactly(id)}`, bearer(other));
    assert.deepEqual([response.status, (await response.json()).code], [403, "device_not_granted"]);
  }
});

Deno.test("subscribe with * subscribes to everything a token grants, however many ids that is", async () => {
  await using rig = await Rig.start({ env: { ...env, MAX_DEVICE_IDS: "2" } });
  const device_ids = ["A", "B", "C", "p*"];
  const text = await sign({ scope: "stream", device_ids });
  await using client = await rig.ws(`device_ids=A&access_token=${text}`);
  const all = await ask(client, { action: "subscribe", device_ids: ["*"] });
  assert.deepEqual(JSON.parse(all).device_ids, device_ids);
  const same = await ask(client, { action: "subscribe", device_ids: ["B"] });
  assert.deepEqual(JSON.parse(same).device_ids, device_ids);
});

everyServer.test("routes of one device read its id from the path", async ({ start, t }) => {
  const sent: string[] = [];
  await using rig = await start({
    env,
    publish: ({ topic }) => {
      sent.push(topic);
      return Promise.resolve();
    },
  });
  for (const id of ODD) rig.publish(id, 1);
  for (const id of OTHERS) rig.publish(id, 2);
  for (const id of ODD.filter((id) => !id.endsWith("*") && id !== "..")) {
    await t.step(JSON.stringify(id), async () => {
      const text = await sign({ scope: "stream publish", device_ids: [id] });
      const path = `/api/v1/devices/${encodeURIComponent(id)}`;
      assert.equal((await rig.json(path, bearer(text))).device_id, id);
      const { messages } = await rig.json(`${path}/messages`, bearer(text));
      assert.deepEqual(messages.map(({ device_id }: { device_id: string }) => device_id), [id]);
      const { devices } = await rig.json("/api/v1/devices?limit=1000", bearer(text));
      assert.deepEqual(devices.map(({ device_id }: { device_id: string }) => device_id), [id]);
      for (const other of [...OTHERS, ...ODD].filter((other) => other !== id && other !== "")) {
        const path = `/api/v1/devices/${encodeURIComponent(other)}`;
        if (other === "..") continue;
        const response = await rig.fetch(path, bearer(text));
        await response.body?.cancel();
        assert.equal(response.status, 403, other);
        const command = await rig.fetch(`${path}/commands`, posted({ go: 1 }, text));
        await command.body?.cancel();
        assert.notEqual(command.status, 200, other);
      }
      assert.deepEqual(sent, []);
    });
  }
});
