/** The process runs out of file descriptors. */

import assert from "node:assert/strict";
import { eventually } from "../kit/eventually.ts";
import { Fleet, pause } from "../kit/fleet.ts";
import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { TestProcess } from "../kit/servers/process.ts";
import { say } from "../kit/say.ts";
import { Telecast } from "../kit/servers/telecast.ts";
import { WsClient } from "../kit/clients/ws_client.ts";

/** Descriptors left free when the limit is set. */
const FREE = 5;
const CROWD = 60;

const SETTINGS = [{}, { CONNECTION_GUARD: "true" }];

for (const settings of SETTINGS) {
  Deno.test(`out of file descriptors, ${JSON.stringify(settings)}: connected clients lose nothing, and new ones get in once descriptors are free`, async () => {
    await using broker = await Mosquitto.start();
    await using telecast = await Telecast.start({
      env: { BROKER_HOST: broker.url, LOG_FORMAT: "text", ...settings },
    });
    await telecast.waitForSource();
    await using fleet = await Fleet.under(broker, telecast, { size: 20, perSecond: 200 });
    const { pid } = telecast.process;
    const limit = await openFiles(pid) + FREE;
    await TestProcess.run("prlimit", { args: ["--pid", `${pid}`, `--nofile=${limit}:${limit}`] });
    const crowd: Deno.Conn[] = [];
    try {
      for (let i = 0; i < CROWD; i++) {
        // Refused once the server does not listen.
        await Deno.connect({ port: telecast.port, hostname: "127.0.0.1" })
          .then((conn) => crowd.push(conn), () => {});
      }
      await fleet.untilFlow();
      await pause(3_000);
      await fleet.untilFlow();
      say(`messages flow with all ${limit} descriptors in use`);
    } finally {
      for (const conn of crowd) conn.close();
    }
    const start = performance.now();
    await eventually("a new client gets in", async () => {
      await using socket = await WsClient.open(telecast.wsUrl("device_ids=bus-000"));
      await socket.waitForMessages(1, 5_000);
      return true;
    }, { timeoutMs: 60_000 });
    say(`a new client got in after ${Math.round(performance.now() - start)} ms`);
    await telecast.process.waitForOutput(/no new connections: .*open files/i);
    await fleet.halt();
    await fleet.assertFlawless();
    say(fleet.summary());
    const connects = fleet.clients.reduce((sum, { connects }) => sum + connects, 0);
    assert.equal(connects, fleet.clients.length, "a stream was closed");
  });
}

async function openFiles(pid: number): Promise<number> {
  let count = 0;
  for await (const _ of Deno.readDir(`/proc/${pid}/fd`)) count++;
  return count;
}
