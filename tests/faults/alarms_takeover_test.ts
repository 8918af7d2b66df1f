/** kill -9 of the instance that consumes the broker and processes alarms, in mid-call. */

import assert from "node:assert/strict";
import { BackendServer } from "../kit/servers/backend.ts";
import { isOwner, startAll } from "../kit/servers/cluster.ts";
import { DenoKv } from "../kit/servers/denokv.ts";
import { eventually } from "../kit/eventually.ts";
import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { MqttPublisher } from "../kit/clients/mqtt_publisher.ts";

const COMPANIES = ["cota", "funza", "madrid"];
const TOTAL = 300;

Deno.test("the instance that processes alarms is killed in mid-call: the others finish all of them, in order", async () => {
  await using broker = await Mosquitto.start();
  await using store = await DenoKv.start();
  await using backend = await BackendServer.start();
  await using stack = new AsyncDisposableStack();
  const env = {
    BROKER_HOST: `127.0.0.1:${broker.port}`,
    BROKER_TOPIC: "empresas",
    BACKEND_URL: backend.url,
    DENO_KV_URL: store.url,
    DENO_KV_ACCESS_TOKEN: store.accessToken,
    LOG_LEVEL: "warning",
  };
  const all = await startAll([{ env }, { env }, { env }], stack);
  const owner = await eventually("an instance consumes the broker", async () => {
    for (const one of all) if (await isOwner(one)) return one;
    return undefined;
  }, { timeoutMs: 30_000 });
  await using publisher = await MqttPublisher.connect(broker.url);
  let killed = false;
  // The first 20 calls succeed, then every call hangs until the owner is gone.
  backend.behave = () => killed || backend.done.length < 20 ? 200 : "stall";
  const publishing = publisher.publishAtRate((n) => ({
    topic: "empresas",
    payload: JSON.stringify({
      ...{ tipo_mensaje: "semaforos", tipo_alarma: `${n}` },
      empresa: COMPANIES[n % COMPANIES.length],
    }),
  }), { perSecond: 30, count: TOTAL });
  await eventually("calls hang", () => backend.calls.length > backend.done.length, {
    timeoutMs: 30_000,
  });
  await owner.kill("SIGKILL");
  killed = true;
  assert.equal(await publishing, TOTAL);
  const numbers = (company: string) => [
    ...new Set(
      backend.done.filter(({ body }) => body.empresa === company)
        .map(({ body }) => Number(body.tipo_alarma)),
    ),
  ];
  await eventually("all are done", () => {
    return COMPANIES.every((company) => numbers(company).length === TOTAL / COMPANIES.length);
  }, { timeoutMs: 120_000 });
  for (const company of COMPANIES) {
    const sorted = [...numbers(company)].sort((a, b) => a - b);
    assert.deepEqual(numbers(company), sorted, "first attempts are in order");
  }
  const keys = backend.calls.map(({ key }) => key);
  assert.ok(
    keys.length - new Set(keys).size <= 3 * COMPANIES.length,
    "only calls in flight were repeated",
  );
});
