/** A token for device A never shows anything of device B: one test for each route and trick. */

import assert from "node:assert/strict";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { Instances } from "../../broker/cluster/instances.ts";
import { eventually } from "../kit/eventually.ts";
import { everyServer, type Rig, type StartRig } from "./rig.ts";
import { bearer, posted, SECRET, sign } from "./signed.ts";

const env = { AUTH_JWT_SECRET: SECRET, STALE_SECONDS: "1" };
/** Part of everything that B sends, and of its name. */
const MARK = "b-secret";
const B = `${MARK}-device`;
const ofB = (n: number) => JSON.stringify({ device_id: B, n, uuid: `${MARK}-${n}` });

const token = (scope = "stream") => sign({ scope, device_ids: ["A", "a-*"], sub: "client-of-a" });

interface Prepared {
  readonly rig: Rig;
  readonly text: string;
  /** A cursor from before any message of B. */
  readonly since: string;
}

/** A rig with messages of A and of B. */
async function prepared(start: StartRig): Promise<Prepared & AsyncDisposable> {
  const rig = await start({ env, publish: () => Promise.resolve() });
  const since = rig.cursor;
  rig.publish("A", 1);
  rig.publish(B, ofB(1), ofB(2));
  rig.publish("a-1", 1);
  return {
    rig,
    text: await token(),
    since,
    [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose](),
  };
}

const STREAMS: Readonly<Record<string, (since: string) => string>> = {
  "live": () => "device_ids=*",
  "snapshot": () => "device_ids=*&snapshot=1",
  "resume": (since) => `device_ids=*&since=${since}`,
  "snapshot and resume": (since) => `device_ids=*&snapshot=1&since=${since}`,
  "a forged cursor": () => "device_ids=*&since=0-0-0",
  "presence": () => "device_ids=*&presence=1",
  "latest": (since) => `device_ids=*&mode=latest&since=${since}`,
  "at a rate": (since) => `device_ids=*&max_rate=1000&since=${since}`,
  "its own prefix": (since) => `device_ids=a-*,A&since=${since}&snapshot=1&presence=1`,
  "the parameter twice": (since) => `device_ids=A&device_ids=*&since=${since}`,
};

for (const transport of ["ws", "sse"] as const) {
  everyServer.test(`${transport}: no stream shows what is not granted`, async ({ start, t }) => {
    await using ready = await prepared(start);
    const { rig, text, since } = ready;
    const queries = {
      ...STREAMS,
      ...(transport === "ws" && {
        "batch": (since: string) => `device_ids=*&batch_ms=5&since=${since}`,
      }),
    };
    let n = 10;
    for (const [trick, query] of Object.entries(queries)) {
      await t.step(trick, async () => {
        await using client = await rig.open(transport, `${query(since)}&access_token=${text}`);
        rig.publish(B, ofB(++n));
        rig.publish("A", ++n);
        await client.waitFor(({ data }) => data.includes(`"n":${n}`));
        for (const { event, data } of client.events.items) {
          assert.ok(!data.includes(MARK), `${event} ${data}`);
        }
      });
    }
    await t.step("presence of a device that turns stale", async () => {
      await using client = await rig.open(
        transport,
        `device_ids=*&presence=1&access_token=${text}`,
      );
      rig.publish(B, ofB(++n));
      rig.publish("A", ++n);
      await client.waitFor(({ data }) => data.includes('"stale"'));
      assert.ok(client.events.items.every(({ data }) => !data.includes(MARK)));
    });
  });

  everyServer.test(`${transport}: no query reaches what is not granted`, async ({ start, t }) => {
    await using ready = await prepared(start);
    const { rig, text } = ready;
    const tricks = [
      ...[B, `A,${B}`, `*,${B}`, `${MARK}*`, "b*", "a*", `A, ${B}`, `%20${B}`, `A&device_ids=${B}`],
      ...[encodeURIComponent(B).replaceAll("-", "%2D"), `${B},`, `a-*,${B}`, `a-,b-*`],
    ];
    for (const ids of tricks) {
      await t.step(ids, async () => {
        const path = `/api/v1/stream?device_ids=${ids}&snapshot=1`;
        const headers = transport === "ws"
          ? { upgrade: "websocket", connection: "upgrade" }
          : { accept: "text/event-stream" };
        const response = await rig.fetch(path, {
          headers: { ...headers, ...bearer(text).headers },
        });
        const body = await response.text();
        assert.equal(response.status, 403, body);
        assert.equal(JSON.parse(body).code, "device_not_granted");
      });
    }
    assert.equal(rig.hub.totals.sse.connections + rig.hub.totals.ws.connections, 0);
  });
}

everyServer.test("no command of a WebSocket reaches what is not granted", async ({ start, t }) => {
  await using ready = await prepared(start);
  const { rig, text, since } = ready;
  const tricks = [[B], ["A", B], [`A,${B}`], [` ${B}`], [`${MARK}*`], ["b*"], ["*", B]];
  for (const device_ids of tricks) {
    await t.step(JSON.stringify(device_ids), async () => {
      await using client = await rig.ws(`device_ids=A&access_token=${text}`);
      client.send({ action: "subscribe", device_ids, snapshot: true, since });
      const { data } = await client.waitForEvent("error");
      assert.equal(JSON.parse(data).code, "device_not_granted");
      rig.publish(B, ofB(20));
      rig.publish("A", 21);
      await client.waitFor(({ data }) => data.includes('"n":21'));
      // The error reveals nothing more.
      assert.ok(client.events.items.every(({ data }) => !data.includes('"n":20')));
      client.send({ action: "unsubscribe", device_ids });
      const { data: left } = await client.waitForEvent("subscribed");
      assert.ok(!left.includes(MARK));
    });
  }
});

everyServer.test("no device route reveals a device that is not granted, not even whether it exists", async ({ start, t }) => {
  await using ready = await prepared(start);
  const { rig, text, since } = ready;
  const unknown = B.replace("device", "nobody");
  for (const more of ["", "/messages", `/messages?since=${since}`, "/messages?limit=1"]) {
    await t.step(`/api/v1/devices/…${more}`, async () => {
      const answers: string[] = [];
      for (const id of [B, unknown]) {
        const response = await rig.fetch(`/api/v1/devices/${id}${more}`, bearer(text));
        assert.equal(response.status, 403);
        answers.push((await response.text()).replaceAll(id, "ID"));
      }
      assert.equal(answers[0], answers[1]);
    });
  }
  for (const path of [`A%2F..%2F${B}`, `..%2F${B}`, "%2A", `A,${B}`, `${B}%00`, `${MARK}*`]) {
    await t.step(`/api/v1/devices/${path}`, async () => {
      const response = await rig.fetch(`/api/v1/devices/${path}`, bearer(text));
      assert.ok([403, 404].includes(response.status));
      assert.ok(!(await response.text()).includes('"n":'));
    });
  }
  for (const query of ["", "?limit=1000", "?limit=1", "?limit=1&next=0", "?next=1", "?next=2"]) {
    await t.step(`/api/v1/devices${query}`, async () => {
      const body = await (await rig.fetch(`/api/v1/devices${query}`, bearer(text))).text();
      assert.ok(!body.includes(MARK), body);
    });
  }
});

everyServer.test("statistics contain only counts, also for the cluster and for operators", async ({ start }) => {
  const figures = { messages: 3, subscribers: 1, devices: 2, sent: 0, sources: [] };
  const instances = new Instances(undefined, { id: B, figures: () => figures as never });
  await using rig = await start({ env, instances });
  rig.publish(B, ofB(1));
  const text = await token();
  for (const query of ["", "?scope=cluster"]) {
    const body = await rig.json(`/api/v1/stream/stats${query}`, bearer(text));
    assert.deepEqual(Object.keys(body), [
      "total_messages_processed",
      "active_subscribers",
      "devices_being_monitored",
    ]);
    assert.ok(Object.values(body).every((value) => typeof value === "number"));
  }
  for (
    const path of ["/metrics", "/api/v1/stats", "/api/v1/deliveries", "/api/v1/tokens/revoked"]
  ) {
    for (const scope of ["stream", "publish"]) {
      const response = await rig.fetch(path, bearer(await token(scope)));
      assert.equal(response.status, 403, path);
      assert.ok(!(await response.text()).includes(MARK));
    }
  }
  const metrics = await rig.fetch("/metrics", bearer(await token("admin")));
  assert.ok(!(await metrics.text()).includes(B), "no label names a device");
});

everyServer.test("nothing is sent to a device that is not granted", async ({ start, t }) => {
  const sent: string[] = [];
  await using rig = await start({
    env,
    publish: ({ topic }) => {
      sent.push(topic);
      return Promise.resolve();
    },
  });
  const text = await token("publish");
  const requests: readonly (readonly [path: string, body: unknown])[] = [
    [`/api/v1/devices/${B}/commands`, { go: 1 }],
    [`/api/v1/devices/A%2F..%2F${B}/commands`, { go: 1 }],
    [`/api/v1/devices/%20${B}/commands`, { go: 1 }],
    ["/api/v1/devices/*/commands", { go: 1 }],
    ["/api/v1/devices/%23/commands", { go: 1 }],
    ["/api/v1/devices/%2B/commands", { go: 1 }],
    ["/api/v1/iot/telemetry", { device_id: B, data: {} }],
    ["/api/v1/iot/telemetry", { device_id: ` ${B} `, data: {} }],
    ["/api/v1/iot/events", { device_id: B, event: "e" }],
    ["/api/v1/publish", { topic: `bombercat/commands/${B}`, payload: 1 }],
  ];
  for (const [path, body] of requests) {
    await t.step(`${path} ${JSON.stringify(body)}`, async () => {
      const response = await rig.fetch(path, posted(body, text));
      assert.equal(response.status, 403, await response.text());
    });
  }
  // A prefix grants no topic other than those of its devices.
  for (const id of ["a-%2F%23", "a-%2B", "a-1%2F%2B"]) {
    const response = await rig.fetch(`/api/v1/devices/${id}/commands`, posted({}, text));
    await response.body?.cancel();
    assert.equal(response.status, 400, id);
  }
  assert.deepEqual(sent, []);
  const own = await rig.fetch("/api/v1/devices/a-1/commands", posted({}, text));
  await own.body?.cancel();
  assert.deepEqual([own.status, sent], [200, ["bombercat/commands/a-1"]]);
});

everyServer.test("neither a token nor a payload is logged, whatever goes wrong", async ({ start }) => {
  const records: LogRecord[] = [];
  await configure({
    reset: true,
    sinks: { memory: (record) => void records.push(record) },
    loggers: [
      { category: [], sinks: ["memory"], lowestLevel: "debug" },
      { category: ["logtape", "meta"], sinks: [] },
    ],
  });
  try {
    await using rig = await start({
      env,
      sources: () => {
        throw new Error("the inside");
      },
      publish: () => Promise.reject(new Error("away")),
    });
    rig.publish(B, ofB(1));
    const text = await sign({ scope: "stream publish admin", device_ids: "*", jti: "t" });
    const paths = [
      `/api/v1/stats?access_token=${text}`,
      `/api/v1/stream?device_ids=${B}&mode=x&access_token=${text}`,
      `/nope?access_token=${text}`,
      `/api/v1/devices/${B}?access_token=${text}`,
      `/api/v1/devices/nobody?access_token=${text}`,
      `/api/v1/stream?access_token=${text}x`,
    ];
    for (const path of paths) {
      const response = await rig.fetch(path);
      const body = await response.text();
      assert.ok(!body.includes(text.slice(0, 30)), body);
    }
    const publish = { topic: "t", payload: ofB(2) };
    await (await rig.fetch(`/api/v1/publish`, posted(publish, text))).body?.cancel();
    await using client = await rig.ws(`device_ids=${B}&snapshot=1&access_token=${text}`);
    client.send(`{"action":"${ofB(3)}"}`);
    await client.waitForEvent("error");
    await rig.revocations.revoke({ kind: "jti", id: "t", until: Date.now() + 60_000 });
    await client.waitForClose();
    await eventually(
      "what happened is logged",
      () => records.some(({ level }) => level === "error"),
    );
    const log = records.map(({ message, properties }) =>
      Deno.inspect([message, properties], { depth: 8, strAbbreviateSize: 10_000 })
    ).join("\n");
    assert.ok(!log.includes(text.slice(0, 30)), "a token");
    assert.ok(!log.includes(`${MARK}-1`) && !log.includes(`${MARK}-2`), "a payload");
  } finally {
    await reset();
  }
});
