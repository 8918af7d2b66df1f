/** Three instances as one: published messages reach the clients of all. */

import assert from "node:assert/strict";
import { Cluster } from "../../kit/servers/cluster.ts";
import { Fleet } from "../../kit/fleet.ts";
import { say } from "../../kit/say.ts";

const SECONDS = Number(Deno.env.get("CLUSTER_SECONDS") ?? 20);

Deno.test(`300 clients of three instances get 2,000 msg/s for ${SECONDS} s, each once, in order`, async () => {
  await using cluster = await Cluster.start();
  await using fleet = await Fleet.start({
    brokerUrl: cluster.broker.url,
    streamUrls: [cluster.streamUrl],
    clients: 300,
    devices: 200,
    perSecond: 2_000,
  });
  await fleet.run(SECONDS);
  await fleet.assertFlawless();
  for (const telecast of cluster.instances) {
    const { transports } = await telecast.json("/api/v1/stats");
    for (const transport of ["ws", "sse"]) {
      const { connections } = transports[transport];
      assert.ok(connections >= 40, `${connections} of 150 ${transport} clients on one instance`);
    }
  }
  say(fleet.summary());
});
