/** The MQTT broker of several instances dies under load. */

import assert from "node:assert/strict";
import { Cluster } from "../../kit/servers/cluster.ts";
import { Fleet, pause } from "../../kit/fleet.ts";
import { say } from "../../kit/say.ts";

const AWAY_MS = 5_000;
const LOAD_MS = 3_000;
const FLEET = { clients: 300, devices: 200, perSecond: 2_000 };

const fleetOf = ({ broker, streamUrl }: Cluster) =>
  Fleet.start({ ...FLEET, brokerUrl: broker.url, streamUrls: [streamUrl] });

Deno.test("a broker that keeps its sessions is down for 5 s under load: nothing is lost", async () => {
  await using cluster = await Cluster.start({ broker: { persistence: true } });
  await using fleet = await fleetOf(cluster);
  fleet.begin();
  await pause(LOAD_MS);
  await cluster.broker.stop("SIGTERM");
  await pause(AWAY_MS);
  await cluster.broker.start();
  const back = await fleet.untilFlow();
  await pause(LOAD_MS);
  await fleet.halt();
  await fleet.assertFlawless();
  say(`messages flow ${Math.round(back)} ms after the broker is back; ${fleet.summary()}`);
  assertNobodyLeft(fleet);
});

Deno.test("a broker is killed and loses its state: messages that devices resend arrive once, in order", async () => {
  await using cluster = await Cluster.start();
  await using fleet = await fleetOf(cluster);
  fleet.begin();
  await pause(LOAD_MS);
  await cluster.broker.stop("SIGKILL");
  // Messages that the broker acknowledged but did not forward are lost: devices resend them.
  await fleet.forgetBroker();
  await pause(AWAY_MS);
  await cluster.broker.start();
  await cluster.owner();
  const again = await fleet.publishAgain();
  fleet.begin();
  await pause(LOAD_MS);
  await fleet.halt();
  await fleet.assertFlawless();
  say(`${again} resent; ${fleet.summary()}`);
  assertNobodyLeft(fleet);
});

function assertNobodyLeft(fleet: Fleet): void {
  const connects = fleet.clients.reduce((sum, { connects }) => sum + connects, 0);
  assert.equal(connects, FLEET.clients, "a stream was closed");
}
