/** The database is replaced by an empty one, while instances run and while they are stopped. */

import assert from "node:assert/strict";
import { Cluster } from "../../kit/servers/cluster.ts";
import { eventually } from "../../kit/eventually.ts";
import { Fleet, pause } from "../../kit/fleet.ts";
import { Mosquitto } from "../../kit/servers/mosquitto.ts";
import { MqttPublisher } from "../../kit/clients/mqtt_publisher.ts";
import { trackingPayload } from "../../kit/payload.ts";
import { say } from "../../kit/say.ts";
import { SseClient } from "../../kit/clients/sse_client.ts";
import { Telecast } from "../../kit/servers/telecast.ts";
import { WsClient } from "../../kit/clients/ws_client.ts";

const LOAD_MS = 3_000;

/** Publishes a message of A and returns the cursor that clients get with it. */
async function publishAndSee(publisher: MqttPublisher, telecast: Telecast, seq: number) {
  await using client = await WsClient.open(telecast.wsUrl("device_ids=A"));
  const payload = trackingPayload("A", seq);
  await publisher.publish("fleet", payload);
  const { id } = await client.waitFor(({ data }) => data === payload, { timeoutMs: 60_000 });
  return id!;
}

/** The `resumed` status that an instance gives for a cursor, the same on both transports. */
async function resumedOn(telecast: Telecast, cursor: string) {
  await using ws = await WsClient.open(telecast.wsUrl(`device_ids=A&since=${cursor}`));
  await using sse = await SseClient.open(telecast.sseUrl("device_ids=A"), { lastEventId: cursor });
  const statuses: string[] = [];
  for (const client of [ws, sse]) {
    const { data } = await client.waitForEvent("resumed");
    statuses.push(JSON.parse(data).status);
  }
  assert.equal(statuses[0], statuses[1], "both transports give the same status");
  return statuses[0];
}

Deno.test("denokv comes back empty while instances run: old cursors are unknown, new ones are valid", async () => {
  await using cluster = await Cluster.start({ instances: 2 });
  await using publisher = await MqttPublisher.connect(cluster.broker.url);
  const old: string[] = [];
  for (let seq = 1; seq <= 20; seq++) {
    old.push(await publishAndSee(publisher, cluster.instances[seq % 2]!, seq));
  }
  for (const telecast of cluster.instances) {
    assert.equal(await resumedOn(telecast, old[0]!), "full");
  }

  const epochs = async () => {
    const stats = cluster.instances.map((telecast) => telecast.json("/api/v1/stats"));
    return (await Promise.all(stats)).map(({ fanout }) => fanout.epoch as string);
  };
  const [before] = await epochs();
  await cluster.kv.restart({ empty: true });
  await eventually("one new log on both", async () => {
    const [one, two] = await epochs();
    return one === two && one !== before;
  });
  await cluster.owner();
  const fresh: string[] = [];
  for (let seq = 21; seq <= 40; seq++) {
    fresh.push(await publishAndSee(publisher, cluster.instances[seq % 2]!, seq));
  }
  for (const telecast of cluster.instances) {
    for (const cursor of [old[0]!, old.at(-1)!]) {
      assert.equal(await resumedOn(telecast, cursor), "none");
    }
    assert.equal(await resumedOn(telecast, fresh[0]!), "full");
    assert.equal((await telecast.json("/readyz")).status, "ok");
  }
  await using late = await WsClient.open(
    cluster.instances[0]!.wsUrl(`device_ids=A&since=${fresh[0]}`),
  );
  await late.waitForMessages(19);
});

Deno.test("denokv comes back empty under load: clients that lost messages are notified, nothing arrives twice, streams go on", async () => {
  await using cluster = await Cluster.start();
  await using fleet = await Fleet.start({
    brokerUrl: cluster.broker.url,
    streamUrls: [cluster.streamUrl],
    clients: 60,
    devices: 40,
    perSecond: 500,
  });
  fleet.begin();
  for (let times = 0; times < 2; times++) {
    await pause(LOAD_MS);
    await cluster.kv.restart({ empty: true });
    await fleet.untilFlow();
  }
  await pause(LOAD_MS);
  await fleet.halt();
  const last = fleet.checker.position();
  await eventually(
    "the end of every device's messages",
    () =>
      fleet.clients.every(({ options }) =>
        options.deviceIds.every((id) => options.checked.has(id, last.get(id)!))
      ),
  );
  const { repeated, reordered, foreign } = fleet.checker.report();
  say(fleet.summary());
  assert.deepEqual({ repeated, reordered, foreign }, { repeated: 0, reordered: 0, foreign: 0 });
  for (const { options: { checked }, resumed } of fleet.clients) {
    const told = (resumed.none ?? 0) + (resumed.partial ?? 0);
    assert.ok(checked.missing() === 0 || told > 0, `${checked.name} was not notified`);
  }
});

for (const place of ["denokv", "a SQLite file"]) {
  Deno.test(`${place} is empty after a restart: old cursors are unknown, new ones are valid`, async () => {
    await using broker = await Mosquitto.start();
    await using stack = new AsyncDisposableStack();
    const env = { BROKER_HOST: broker.url, DRAIN_SECONDS: "0" };
    let empty: () => Promise<void>;
    let telecast: Telecast;
    if (place === "denokv") {
      const { DenoKv } = await import("../../kit/servers/denokv.ts");
      const kv = stack.use(await DenoKv.start());
      telecast = stack.use(await Telecast.start({ env: { ...env, ...kv.env } }));
      empty = () => kv.restart({ empty: true });
    } else {
      telecast = stack.use(await Telecast.start({ env }));
      empty = () => Deno.remove(`${telecast.cwd}/data`, { recursive: true });
    }
    await telecast.waitForSource();
    await using publisher = await MqttPublisher.connect(broker.url);
    const old: string[] = [];
    for (let seq = 1; seq <= 5; seq++) old.push(await publishAndSee(publisher, telecast, seq));
    await telecast.kill("SIGTERM");
    await empty();
    await telecast.start();
    await telecast.waitForSource();
    // Publishes more messages than before: by its offset alone, an old cursor would look valid.
    const fresh: string[] = [];
    for (let seq = 6; seq <= 15; seq++) fresh.push(await publishAndSee(publisher, telecast, seq));
    await eventually("old cursors are unknown", async () => {
      for (const cursor of old) assert.equal(await resumedOn(telecast, cursor), "none");
      return true;
    });
    assert.equal(await resumedOn(telecast, fresh[0]!), "full");
  });
}
