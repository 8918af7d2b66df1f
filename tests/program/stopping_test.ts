/** A start that fails, and a stop at a bad moment: nothing keeps running after either. */

import assert from "node:assert/strict";
import { EmbeddedBroker } from "../../ingest/demo/broker.ts";
import { Telecast } from "../../mod.ts";
import { ConnectionCount } from "../../routes/http/connection_count.ts";
import { startProgram } from "../../program.ts";
import { Threads } from "../../server/threads.ts";
import { configOf } from "../kit/config.ts";
import { eventually, within } from "../kit/eventually.ts";
import { TestProcess } from "../kit/servers/process.ts";
import { TempDir } from "../kit/temp_dir.ts";

const MOD = new URL("../../mod.ts", import.meta.url).href;
const startBroker = () => EmbeddedBroker.start({ host: "127.0.0.1", port: 0 });

/** Ids of the clients that connect to a broker from now on. */
function idsOfClients({ aedes }: EmbeddedBroker): string[] {
  const ids: string[] = [];
  aedes.on("client", ({ id }) => void ids.push(id));
  return ids;
}

Deno.test("startProgram(): sources start once the program listens, and not at all if it cannot", async () => {
  await using broker = await startBroker();
  const clients = idsOfClients(broker);
  const config = configOf({ BROKER_HOST: broker.url, DENO_KV_URL: "memory:" });
  const listening = Promise.withResolvers<void>();
  const starting = startProgram(config, { listen: () => listening.promise });
  const refused = Promise.reject(new Error("the port is taken"));
  await assert.rejects(startProgram(config, { listen: () => refused }), /the port is taken/);
  assert.deepEqual(clients, []);
  listening.resolve();
  const program = await starting;
  await program.ready;
  await eventually("the source connects", () => clients.length === 1);
  await program.stop();
});

Deno.test("Program.stop() in the middle of the start: no source starts afterwards", async () => {
  await using broker = await startBroker();
  const clients = idsOfClients(broker);
  const env = { BROKER_HOST: broker.url, DENO_KV_URL: "memory:" };
  const program = await startProgram(configOf({ ...env, MQTT_CLIENT_ID: "stopped" }));
  const { companies } = program;
  const start = companies.start.bind(companies);
  let stopping: Promise<void> | undefined;
  companies.start = async () => {
    stopping = program.stop();
    await start();
  };
  await program.ready;
  await stopping;
  // A started source needs a moment to connect: two workers of another program, one after the
  // other, take longer.
  const other = await startProgram(configOf({ ...env, MQTT_CLIENT_ID: "other" }));
  await other.ready;
  await eventually("the other's source connects", () => clients.includes("other"));
  await other.publish("a", "1");
  await other.stop();
  assert.ok(!clients.includes("stopped"));
});

Deno.test("Threads.stop(): a thread that dies meanwhile is not restarted", async () => {
  const told: string[] = [];
  const channel = new BroadcastChannel("dying thread");
  channel.onmessage = ({ data }) => void told.push(data);
  const module = new URL("../kit/servers/dying_thread.ts", import.meta.url);
  const threads = new Threads(configOf(), 1, ConnectionCount.forThreads(2), module);
  await eventually("the thread is started", () => told.includes("start"));
  // Long enough for another one to be launched.
  await within("the stop", threads.stop(10_000), 5_000);
  // The thread's message may arrive after its end.
  await eventually("the thread was told to stop", () => told.includes("stop"));
  channel.close();
  assert.deepEqual(told, ["start", "stop"]);
});

Deno.test("Telecast.publish() right after the start is acknowledged by the broker", async () => {
  await using broker = await startBroker();
  const env = { BROKER_HOST: broker.url, DENO_KV_URL: "memory:", LOG_LEVEL: "fatal" };
  await using telecast = await Telecast.start({ env });
  await telecast.publish("a", "1");
  await Promise.all(["2", "3"].map((payload) => telecast.publish("a", payload)));
  await telecast.stop();
  await assert.rejects(telecast.publish("a", "4"), /the program is stopped/);
});

Deno.test("a program that publishes after Telecast.stop() gets an error, and exits by itself", async () => {
  await using broker = await startBroker();
  await using dir = await TempDir.create();
  const env = { BROKER_HOST: broker.url, DENO_KV_URL: "memory:", LOG_LEVEL: "fatal" };
  const main = await dir.write(
    "main.ts",
    `
    import { Telecast } from ${JSON.stringify(MOD)};
    const telecast = await Telecast.start({ env: ${JSON.stringify(env)} });
    await telecast.publish("a", "1");
    await telecast.stop();
    await telecast.publish("a", "2").catch((error) => console.log(error.message));
  `,
  );
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const args = ["run", "-A", "--no-check", "--config", config, main];
  const output = await TestProcess.run(Deno.execPath(), { args, timeoutMs: 30_000 });
  assert.match(output, /^Cannot publish: the program is stopped$/m);
});
