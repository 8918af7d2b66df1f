/** Alarms from a real broker to a backend that misbehaves, and on to people. */

import assert from "node:assert/strict";
import { type BackendCall, BackendServer, type Behaviour } from "../kit/servers/backend.ts";
import { DenoKv } from "../kit/servers/denokv.ts";
import { eventually } from "../kit/eventually.ts";
import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { mosquittoPub, MqttPublisher } from "../kit/clients/mqtt_publisher.ts";
import { startAll } from "../kit/servers/cluster.ts";
import { Telecast } from "../kit/servers/telecast.ts";
import { WsClient } from "../kit/clients/ws_client.ts";

const COMPANIES = ["cota", "funza", "madrid", "tocancipa"];
const PROCESS = "/api/mqtt-alerts/process";

const alarm = (n: number) => ({
  topic: "empresas",
  payload: JSON.stringify({
    tipo_mensaje: "semaforos",
    tipo_alarma: String(n),
    empresa: COMPANIES[n % COMPANIES.length],
  }),
});

/** The alarm numbers of each company, in the order in which the backend first accepted them. */
function takenByCompany(calls: readonly BackendCall[]): Map<string, number[]> {
  const taken = new Map<string, number[]>();
  const seen = new Set<string>();
  for (const { key, body } of calls) {
    if (seen.has(key)) continue;
    seen.add(key);
    taken.set(body.empresa, [...taken.get(body.empresa) ?? [], Number(body.tipo_alarma)]);
  }
  return taken;
}

const expected = (company: number, total: number) =>
  Array.from({ length: total / COMPANIES.length }, (_, n) => n * COMPANIES.length + company);

Deno.test("1,000 alarms at 50/s reach a backend that misbehaves half of the time: none is lost, and each company's are in order", async () => {
  await using broker = await Mosquitto.start();
  await using backend = await BackendServer.start();
  await using telecast = await Telecast.start({
    env: { MQTT_BROKER: "127.0.0.1", MQTT_PORT: String(broker.port), BACKEND_URL: backend.url },
  });
  await telecast.waitForSource();
  await using publisher = await MqttPublisher.connect(broker.url);
  const misbehaviours: Behaviour[] = [500, "reset", 429, 503];
  let failed = 0;
  let busy = true;
  // Alternates between two good seconds and two bad ones.
  const start = performance.now();
  backend.behave = () => {
    const good = Math.floor((performance.now() - start) / 2_000) % 2 === 0;
    if (!busy || good) return 200;
    return failed++ === 0 ? "stall" : misbehaviours[failed % misbehaviours.length]!;
  };
  const publishing = publisher.publishAtRate(alarm, { perSecond: 50, count: 1_000 });
  // In the middle, the backend is down for a while.
  await eventually("300 are done", () => backend.done.length >= 300, { timeoutMs: 120_000 });
  await backend.stop();
  await telecast.process.waitForOutput(/the backend is unavailable/, { timeoutMs: 30_000 });
  await backend.start();
  assert.equal(await publishing, 1_000);
  await eventually("most got through, and every kind of failure came", () => {
    return backend.done.length >= 800 && failed > 6;
  }, { timeoutMs: 240_000 });
  busy = false;
  await eventually(
    "all are done",
    () => new Set(backend.done.map(({ key }) => key)).size >= 1_000,
    {
      timeoutMs: 240_000,
    },
  );
  const taken = takenByCompany(backend.done);
  COMPANIES.forEach((company, i) => assert.deepEqual(taken.get(company), expected(i, 1_000)));
  const answers = new Set(backend.calls.map(({ answered }) => answered));
  for (const kind of [...misbehaviours, "stall" as const]) assert.ok(answers.has(kind), `${kind}`);
  const { deliveries } = await telecast.json("/api/v1/stats");
  assert.deepEqual([deliveries.dead, deliveries.refused, deliveries.lost], [0, 0, 0]);
  const said = (what: string) => telecast.output.split(`the backend is ${what}`).length - 1;
  assert.equal(said("unavailable"), said("back"), "one line per outage, and one for its end");
});

Deno.test("a refused alarm is listed as dead, blocks no other alarm, and is delivered when it is retried", async () => {
  await using broker = await Mosquitto.start();
  await using backend = await BackendServer.start();
  await using telecast = await Telecast.start({
    env: { MQTT_BROKER: `127.0.0.1:${broker.port}`, BACKEND_URL: `${backend.url}/` },
  });
  await telecast.waitForSource();
  backend.behave = ({ body }) => body.tipo_alarma === "4" ? 400 : 200;
  for (const n of [0, 4, 8]) await mosquittoPub(broker.port, "empresas", alarm(n).payload);
  const list = async (state: string) =>
    (await telecast.json(`/api/v1/deliveries?state=${state}`)).deliveries;
  const [dead] = await eventually("one is dead", async () => {
    const all = await list("dead");
    return all.length === 1 && backend.done.length === 2 && all;
  });
  assert.deepEqual(dead, {
    ...{ id: dead.id, kind: "process", state: "dead", attempts: 1 },
    reason: "the backend answered 400",
  });
  assert.deepEqual(backend.done.map(({ body }) => body.tipo_alarma), ["0", "8"]);
  assert.deepEqual([...new Set(backend.calls.map(({ path }) => path))], [PROCESS]);
  backend.behave = () => 200;
  const retried = await fetch(`${telecast.url}/api/v1/deliveries/${dead.id}/retry`, {
    method: "POST",
  });
  assert.deepEqual(await retried.json(), { id: dead.id, state: "waiting" });
  await eventually("it is done", () => backend.done.length === 3);
  await eventually(
    "nothing is left",
    async () => (await list("dead")).length === 0 && (await list("waiting")).length === 0,
  );
  const again = await fetch(`${telecast.url}/api/v1/deliveries/${dead.id}/retry`, {
    method: "POST",
  });
  assert.equal(again.status, 404);
  await again.body?.cancel();
});

Deno.test("each of the five message types reaches the backend; with a broken field it is only streamed", async () => {
  await using broker = await Mosquitto.start();
  await using backend = await BackendServer.start();
  await using telecast = await Telecast.start({
    env: { MQTT_BROKER: `127.0.0.1:${broker.port}`, BACKEND_URL: backend.url },
  });
  await telecast.waitForSource();
  await using client = await WsClient.open(telecast.wsUrl("device_ids=*"));
  const good: Record<string, unknown>[] = [
    { tipo_mensaje: "semaforos", tipo_alarma: "AZUL", empresa: "cota" },
    { tipo_mensaje: "alarmas", tipo_alarma: "CRITICA", descripcion: "Fallo en sistema" },
    { tipo_mensaje: "estado", status: "online", timestamp: "2024-01-01T12:00:00" },
    { tipo_mensaje: "configuracion", parametros: { intervalo: 30, modo: "automatico" } },
    { tipo_mensaje: "heartbeat", timestamp: "2024-01-01T12:00:00" },
  ];
  const broken = good.flatMap((message) =>
    Object.keys(message).filter((field) => field !== "tipo_mensaje").flatMap((field) => [
      { ...message, [field]: undefined },
      { ...message, [field]: [] },
    ])
  );
  broken.push({ tipo_mensaje: "otro" }, { tipo_mensaje: 5 });
  await using publisher = await MqttPublisher.connect(broker.url);
  for (const message of [...broken, ...good]) {
    await publisher.publish("empresas", JSON.stringify(message));
  }
  await eventually("all good ones are done", () => backend.done.length >= good.length);
  await client.waitForMessages(broken.length + good.length);
  const sorted = (all: readonly unknown[]) => all.map((one) => JSON.stringify(one)).sort();
  assert.deepEqual(sorted(backend.calls.map(({ body }) => body)), sorted(good));
  await eventually("the broken ones are counted", async () => {
    const { sources } = await telecast.json("/api/v1/stats");
    return sources[0].malformed === broken.length;
  });
  // The number of log lines is limited, but the first ones are there.
  assert.match(telecast.output, /fields missing or wrong: tipo_alarma.*topic \\"empresas\\"/);
  assert.match(telecast.output, /fields missing or wrong: empresa/);
});

Deno.test("the backend's answer names the WhatsApp recipients; numbers and tokens are in no log", async () => {
  await using broker = await Mosquitto.start();
  await using backend = await BackendServer.start();
  await using whatsapp = await BackendServer.start();
  await using telecast = await Telecast.start({
    env: {
      MQTT_BROKER: `127.0.0.1:${broker.port}`,
      BACKEND_URL: backend.url,
      WHATSAPP_API_URL: `${whatsapp.url}/v20.0/1234`,
      WHATSAPP_TOKEN: "a-secret-token",
      WHATSAPP_RECIPIENTS: '{"cota":["573000000001"],"*":["573000000002"]}',
      LOG_LEVEL: "debug",
    },
  });
  await telecast.waitForSource();
  backend.answer = ({ body }) =>
    body.empresa === "funza" ? { recipients: ["573009999991", "573009999992"] } : {};
  whatsapp.behave = ({ body }) => body.to === "573009999991" ? 400 : 200;
  await mosquittoPub(broker.port, "empresas", alarm(0).payload);
  await mosquittoPub(broker.port, "empresas", alarm(1).payload);
  await mosquittoPub(
    broker.port,
    "empresas",
    '{"tipo_mensaje":"alarmas","tipo_alarma":"CRITICA","descripcion":"Fallo en sistema"}',
  );
  await mosquittoPub(broker.port, "empresas", '{"tipo_mensaje":"heartbeat","timestamp":"x"}');
  await eventually("all calls", () => whatsapp.calls.length === 4 && backend.done.length === 4);
  const told = Object.fromEntries(whatsapp.calls.map(({ body }) => [body.to, body.text.body]));
  assert.deepEqual(told, {
    "573000000001": "Alarma 0\nEmpresa: cota",
    "573009999991": "Alarma 1\nEmpresa: funza",
    "573009999992": "Alarma 1\nEmpresa: funza",
    "573000000002": "Alarma CRITICA\nFallo en sistema",
  });
  for (const { path, headers } of whatsapp.calls) {
    assert.equal(path, "/v20.0/1234/messages");
    assert.equal(headers.authorization, "Bearer a-secret-token");
  }
  await telecast.process.waitForOutput(/failed for good.*could not notify 1 recipient/);
  assert.doesNotMatch(telecast.output, /a-secret-token|57300/);
});

Deno.test("three instances on one store do each alarm's work once", async () => {
  await using broker = await Mosquitto.start();
  await using store = await DenoKv.start();
  await using backend = await BackendServer.start();
  const env = {
    BROKER_HOST: `127.0.0.1:${broker.port}`,
    BROKER_TOPIC: "empresas",
    BACKEND_URL: backend.url,
    DENO_KV_URL: store.url,
    DENO_KV_ACCESS_TOKEN: store.accessToken,
    INGEST_MODE: "shared",
  };
  await using stack = new AsyncDisposableStack();
  const all = await startAll([{ env }, { env }, { env }], stack);
  for (const telecast of all) await telecast.waitForSource("mqtt", { timeoutMs: 30_000 });
  await using publisher = await MqttPublisher.connect(broker.url);
  await publisher.publishAtRate(alarm, { perSecond: 100, count: 400 });
  await eventually("all are done", () => backend.done.length >= 400, { timeoutMs: 120_000 });
  await eventually("nothing waits", async () => {
    const stats = await Promise.all(all.map((one) => one.json("/api/v1/stats")));
    return stats.every(({ deliveries }) => deliveries.waiting === 0);
  }, { timeoutMs: 60_000 });
  assert.equal(backend.calls.length, 400, "no call was made twice");
  const numbers = backend.done.map(({ body }) => Number(body.tipo_alarma)).sort((a, b) => a - b);
  assert.deepEqual(numbers, Array.from({ length: 400 }, (_, n) => n));
});
