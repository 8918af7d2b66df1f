/** serve.ts under `deno serve`, with one thread and several. */

import assert from "node:assert/strict";
import { eventually } from "../../kit/eventually.ts";
import { Mosquitto } from "../../kit/servers/mosquitto.ts";
import { MqttPublisher } from "../../kit/clients/mqtt_publisher.ts";
import { trackingPayload } from "../../kit/payload.ts";
import { freePort } from "../../kit/ports.ts";
import { TestProcess } from "../../kit/servers/process.ts";
import { startFlags } from "../../kit/servers/telecast.ts";
import { TempDir } from "../../kit/temp_dir.ts";
import { WsClient } from "../../kit/clients/ws_client.ts";

const ROOT = new URL("../../../", import.meta.url).pathname;
const CLIENTS = 20;
/** If a KV watch stays open, `deno serve` never ends. */
const MAX_END_MS = 30_000;

for (const threads of [1, 3]) {
  Deno.test(`deno serve with ${threads} thread(s): all clients get each message, and SIGTERM ends it`, async () => {
    await using broker = await Mosquitto.start();
    await using dir = await TempDir.create();
    const port = freePort();
    const url = `http://127.0.0.1:${port}`;
    await using process = TestProcess.start(Deno.execPath(), {
      name: "deno serve",
      args: [
        ...["serve", "--config", `${ROOT}deno.json`, "--host", "127.0.0.1"],
        ...["--port", String(port), ...await startFlags()],
        ...(threads > 1 ? ["--parallel"] : []),
        `${ROOT}serve.ts`,
      ],
      cwd: dir.path,
      env: { DENO_JOBS: String(threads), BROKER_HOST: broker.url, DRAIN_SECONDS: "1" },
      mustLive: true,
    });
    await process.waitUntil("reading from the broker", async () => {
      try {
        const stats = await (await fetch(`${url}/api/v1/stats`)).json();
        return stats.instances.length === threads && stats.ingest_lease !== "";
      } catch {
        return false;
      }
    }, { timeoutMs: 30_000 });
    await using stack = new AsyncDisposableStack();
    const clients: WsClient[] = [];
    for (let i = 0; i < CLIENTS; i++) {
      const client = await WsClient.open(`${url.replace("http", "ws")}/api/v1/stream?device_ids=A`);
      clients.push(stack.use(client));
    }
    await using publisher = await MqttPublisher.connect(broker.url);
    let seq = 0;
    await eventually("the first message", async () => {
      await publisher.publish("fleet", trackingPayload("A", ++seq));
      await clients[0]!.waitForMessages(1, 500);
      return true;
    }, { timeoutMs: 20_000 });
    const rest = Array.from({ length: 100 }, () => trackingPayload("A", ++seq));
    await publisher.publishAll(rest.map((payload) => ({ topic: "fleet", payload })));
    for (const client of clients) {
      await client.waitFor(({ data }) => data === rest.at(-1));
      assert.deepEqual(client.payloads.slice(-100), rest);
    }
    process.kill("SIGTERM");
    for (const client of clients) await client.waitForEvent("goodbye");
    await process.waitForExit({ timeoutMs: MAX_END_MS });
    assert.doesNotMatch(process.output, /rror:|unhandled|uncaught/i);
  });
}

Deno.test("deno serve as on Deno Deploy: no flags, the platform's store, no source; SIGINT ends it", async () => {
  await using dir = await TempDir.create();
  const port = freePort();
  const url = `http://127.0.0.1:${port}`;
  await using process = TestProcess.start(Deno.execPath(), {
    name: "deno serve",
    args: ["serve", "-A", "--host", "127.0.0.1", "--port", String(port), "serve.ts"],
    cwd: ROOT,
    env: {
      DENO_DEPLOYMENT_ID: "a-deployment",
      // The path of the runtime's default store; on Deploy the platform's database backs it.
      DENO_KV_DEFAULT_PATH: dir.join("platform.sqlite"),
      DRAIN_SECONDS: "60",
    },
    mustLive: true,
  });
  await process.waitUntil("ready", async () => {
    try {
      return (await (await fetch(`${url}/readyz`)).json()).status === "ok";
    } catch {
      return false;
    }
  }, { timeoutMs: 30_000 });
  const { sources, deployment } = await (await fetch(`${url}/api/v1/stats`)).json();
  assert.deepEqual(sources, []);
  assert.ok(deployment);
  assert.ok(
    (await Deno.stat(dir.join("platform.sqlite"))).size > 0,
    "the platform's store is used",
  );
  await using client = await WsClient.open(
    `${url.replace("http", "ws")}/api/v1/stream?device_ids=A`,
  );
  process.kill("SIGINT");
  await client.waitForEvent("goodbye");
  await process.waitForExit({ timeoutMs: MAX_END_MS });
});
