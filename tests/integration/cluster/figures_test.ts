/** What instances know about each other: statistics, devices, last messages. */

import assert from "node:assert/strict";
import { Cluster } from "../../kit/servers/cluster.ts";
import { eventually } from "../../kit/eventually.ts";
import { MqttPublisher } from "../../kit/clients/mqtt_publisher.ts";
import { trackingPayload } from "../../kit/payload.ts";
import { SseClient } from "../../kit/clients/sse_client.ts";
import type { Telecast } from "../../kit/servers/telecast.ts";
import { WsClient } from "../../kit/clients/ws_client.ts";

const DEVICES = Array.from({ length: 20 }, (_, i) => `bus-${String(i).padStart(2, "0")}`);
const EACH = 5;

const figures = async (telecast: Telecast, scope = "") => {
  const figures = await telecast.json(`/api/v1/stream/stats${scope && `?scope=${scope}`}`);
  assert.deepEqual(Object.keys(figures), [
    "total_messages_processed",
    "active_subscribers",
    "devices_being_monitored",
  ]);
  return Object.values(figures);
};

/** Publishes numbered messages of every device; returns the last payload of each. */
async function publishAll(brokerUrl: string, from = 1): Promise<Map<string, string>> {
  await using publisher = await MqttPublisher.connect(brokerUrl);
  const last = new Map<string, string>();
  for (let seq = from; seq < from + EACH; seq++) {
    await publisher.publishAll(DEVICES.map((device) => {
      const payload = trackingPayload(device, seq);
      last.set(device, payload);
      return { topic: `fleet/${device}`, payload };
    }));
  }
  return last;
}

/** The snapshots that an instance sends on both transports, by device. */
async function snapshots(telecast: Telecast): Promise<Map<string, string>[]> {
  const query = "device_ids=*&snapshot=1";
  await using ws = await WsClient.open(telecast.wsUrl(query));
  await using sse = await SseClient.open(telecast.sseUrl(query));
  return await Promise.all([ws, sse].map(async ({ events }) => {
    const found = await events.waitForCount(DEVICES.length, ({ event }) => event === "snapshot");
    return new Map(found.map(({ data }) => [JSON.parse(data).data.DEVICE_ID as string, data]));
  }));
}

async function assertKnows(telecast: Telecast, last: ReadonlyMap<string, string>): Promise<void> {
  const { devices } = await telecast.json("/api/v1/devices");
  const ids = devices.map(({ device_id }: { device_id: string }) => device_id);
  assert.deepEqual(ids.sort(), DEVICES);
  for (const snapshot of await snapshots(telecast)) {
    assert.deepEqual([...snapshot].sort(), [...last].sort());
  }
  for (const [device, payload] of last) {
    const text = await (await fetch(`${telecast.url}/api/v1/devices/${device}`)).text();
    assert.ok(text.endsWith(`"message":${payload}}`), text);
  }
}

Deno.test("scope=cluster sums the counts of all instances, and drops an instance that died", async () => {
  await using cluster = await Cluster.start();
  await using stack = new AsyncDisposableStack();
  const [one, two, three] = cluster.instances as [Telecast, Telecast, Telecast];
  const open = async (telecast: Telecast, devices: readonly string[]) => {
    for (const device of devices) {
      const query = `device_ids=${device}`;
      stack.use(await WsClient.open(telecast.wsUrl(query)));
      stack.use(await SseClient.open(telecast.sseUrl(query)));
    }
  };
  await publishAll(cluster.broker.url);
  await open(one, DEVICES.slice(0, 3));
  await open(two, DEVICES.slice(3, 5));
  await open(three, DEVICES.slice(5, 6));
  const all = [DEVICES.length * EACH, 12, 6];
  for (const telecast of cluster.instances) {
    await eventually("the sums of all", async () => {
      assert.deepEqual(await figures(telecast, "cluster"), all);
      return true;
    });
  }
  const own = await Promise.all(cluster.instances.map((telecast) => figures(telecast)));
  assert.deepEqual(own.map((figures) => figures.slice(1)), [[6, 3], [4, 2], [2, 1]]);
  assert.equal(own.reduce((sum, [messages]) => sum + (messages as number), 0), all[0]);
  assert.equal((await fetch(`${one.url}/api/v1/stream/stats?scope=x`)).status, 400);

  await three.kill("SIGKILL");
  for (const telecast of [one, two]) {
    await eventually("the sums without the dead one", async () => {
      assert.deepEqual((await figures(telecast, "cluster")).slice(1), [10, 5]);
      return true;
    }, { timeoutMs: 60_000 });
  }
  await two.kill("SIGTERM");
  await eventually("the sums without the one that left", async () => {
    assert.deepEqual((await figures(one, "cluster")).slice(1), [6, 3]);
    return true;
  });
});

Deno.test("devices, last messages and snapshots are the same on every instance, including one that starts later", async () => {
  await using cluster = await Cluster.start();
  let last = await publishAll(cluster.broker.url);
  for (const telecast of cluster.instances) {
    await eventually("every device", async () => {
      await assertKnows(telecast, last);
      return true;
    });
  }
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    // Restarts right after publishing, before the last messages are written behind.
    last = await publishAll(cluster.broker.url, signal === "SIGTERM" ? 101 : 201);
    const owner = await cluster.owner();
    await eventually("the last one", async () => {
      await assertKnows(owner, last);
      return true;
    });
    for (const telecast of cluster.instances) await telecast.restart({ signal });
    for (const telecast of cluster.instances) await assertKnows(telecast, last);
  }
});

Deno.test("a company that is added on one instance is known on all", async () => {
  await using cluster = await Cluster.start();
  const [one, ...others] = cluster.instances as [Telecast, Telecast, Telecast];
  const company = { id: "chia", name: "Chía" };
  const added = await fetch(`${one.url}/api/v1/empresas`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(company),
  });
  assert.ok(added.ok, await added.text());
  for (const telecast of others) {
    await eventually("the new company", async () => {
      const text = JSON.stringify(await telecast.json("/api/v1/empresas"));
      return text.includes(JSON.stringify(company));
    });
  }
});
