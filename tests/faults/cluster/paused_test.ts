/** The owner is paused while another takes over, and continues with unwritten messages. */

import assert from "node:assert/strict";
import { Cluster, isOwner } from "../../kit/servers/cluster.ts";
import { eventually } from "../../kit/eventually.ts";
import { Fleet, pause } from "../../kit/fleet.ts";
import { logWriters } from "../../kit/log_writers.ts";
import { MqttPublisher } from "../../kit/clients/mqtt_publisher.ts";
import { say } from "../../kit/say.ts";
import { TcpProxy } from "../../kit/servers/tcp_proxy.ts";

const LOAD_MS = 3_000;
/** How long its commits are held before the pause, so that batches pile up behind them. */
const HELD_MS = 300;
const ASLEEP_MS = 15_000;
const CUT_OFF_MS = 8_000;

Deno.test("an owner that was paused for 15 s does not act as owner afterwards", async () => {
  await using cluster = await Cluster.start({ kvProxy: (port) => TcpProxy.start(port) });
  await using fleet = await Fleet.start({
    brokerUrl: cluster.broker.url,
    streamUrls: cluster.instances.map((telecast) => telecast.sseUrl()),
    clients: 90,
    devices: 60,
    perSecond: 800,
  });
  // Without a uuid nothing counts as a repeat: the paused owner's messages would be written twice.
  await using bare = await MqttPublisher.connect(cluster.broker.url);
  const stop = new AbortController();
  const publishing = bare.publishAtRate((n) => ({
    topic: "bare",
    payload: JSON.stringify({ device_id: "bare", n }),
  }), { perSecond: 400, signal: stop.signal });
  publishing.catch(() => {});
  fleet.begin();
  await pause(LOAD_MS);
  const sleeper = await cluster.owner();
  const others = cluster.instances.filter((telecast) => telecast !== sleeper);
  const proxy = cluster.proxies[cluster.instances.indexOf(sleeper)]!;
  proxy.stall();
  await pause(HELD_MS);
  const { pending } = (await sleeper.json("/api/v1/stats")).fanout;
  await sleeper.kill("SIGSTOP");
  const asleep = pause(ASLEEP_MS);
  const takeover = await fleet.untilFlow();
  const owner = await cluster.owner({ among: others });
  // Its commit in flight arrives now, after the takeover.
  proxy.pass();
  await asleep;
  await sleeper.kill("SIGCONT");
  await eventually("the paused instance knows the new owner and holds no messages", async () => {
    const { ingest_lease, fanout } = await sleeper.json("/api/v1/stats");
    const { instance } = await owner.json("/api/v1/stats");
    return ingest_lease === instance && fanout.pending === 0;
  });
  await pause(LOAD_MS);
  stop.abort();
  await publishing;
  await fleet.halt();
  await fleet.assertFlawless();
  assert.deepEqual([await isOwner(sleeper), await isOwner(owner)], [false, true]);
  const stretches = await logWriters(cluster.kv);
  say(
    `paused with ${pending} messages; takeover after ${Math.round(takeover)} ms; the log: ` +
      stretches.map(({ writer, messages }) => `${messages} by ${writer}`).join(", then ") +
      `; ${fleet.summary()}`,
  );
  assert.ok(pending > 0, "the paused owner held no messages");
  assert.equal(stretches.length, 2, "the paused owner wrote after the takeover");
});

Deno.test("only the owner cannot reach the store: another takes over, and they do not fight over the session", async () => {
  await using cluster = await Cluster.start({ kvProxy: (port) => TcpProxy.start(port) });
  await using fleet = await Fleet.start({
    brokerUrl: cluster.broker.url,
    streamUrls: cluster.instances.map((telecast) => telecast.sseUrl()),
    clients: 90,
    devices: 60,
    perSecond: 800,
  });
  fleet.begin();
  await pause(LOAD_MS);
  const first = await cluster.owner();
  const proxy = cluster.proxies[cluster.instances.indexOf(first)]!;
  const others = cluster.instances.filter((telecast) => telecast !== first);
  proxy.stall();
  const cutOff = pause(CUT_OFF_MS);
  const takeover = await fleet.untilFlow();
  const owner = await cluster.owner({ among: others });
  await cutOff;
  proxy.pass();
  await pause(LOAD_MS);
  await fleet.halt();
  await fleet.assertFlawless();
  const { sources } = await owner.json("/api/v1/stats");
  say(`takeover after ${Math.round(takeover)} ms; ${fleet.summary()}`);
  assert.equal(sources[0].reconnects, 0, "the session was taken from the new owner");
  assert.deepEqual([await isOwner(first), await isOwner(owner)], [false, true]);
  const connects = fleet.clients.reduce((sum, { connects }) => sum + connects, 0);
  assert.equal(connects, 90, "a stream was closed");
});
