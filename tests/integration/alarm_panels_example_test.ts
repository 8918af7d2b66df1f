import assert from "node:assert/strict";
import { BackendServer } from "../kit/servers/backend.ts";
import { eventually } from "../kit/eventually.ts";
import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { mosquittoPub } from "../kit/clients/mqtt_publisher.ts";
import { freePort } from "../kit/ports.ts";
import { TestProcess } from "../kit/servers/process.ts";
import { TempDir } from "../kit/temp_dir.ts";
import { WsClient } from "../kit/clients/ws_client.ts";

const EXAMPLE = new URL("../../examples/alarm_panels/main.ts", import.meta.url).pathname;

Deno.test("as a module: custom message types, a custom company, answers to devices, custom handling of messages from people", async () => {
  await using broker = await Mosquitto.start();
  await using backend = await BackendServer.start();
  await using whatsapp = await BackendServer.start();
  await using dir = await TempDir.create();
  await using lights = TestProcess.start("mosquitto_sub", {
    args: ["-h", "127.0.0.1", "-p", String(broker.port), "-t", "luces/#", "-v"],
  });
  const port = freePort();
  await using example = TestProcess.start(Deno.execPath(), {
    name: "example",
    args: [
      ...["run", "--allow-net", "--allow-read", "--allow-write=data", "--allow-env"],
      EXAMPLE,
    ],
    cwd: dir.path,
    env: {
      PORT: String(port),
      MQTT_BROKER: `127.0.0.1:${broker.port}`,
      BACKEND_URL: backend.url,
      WHATSAPP_API_URL: whatsapp.url,
      WHATSAPP_TOKEN: "t",
    },
  });
  await example.waitForOutput(/subscribed to empresas/, { timeoutMs: 60_000 });
  const send = (message: unknown) => mosquittoPub(broker.port, "empresas", JSON.stringify(message));
  const semaforos = { tipo_mensaje: "semaforos", tipo_alarma: "AZUL", empresa: "chia" };
  const bateria = { tipo_mensaje: "bateria", nivel: 50 };
  await send(semaforos);
  await send(bateria);
  await send({ ...bateria, nivel: 500 });
  await eventually("both reach the backend", () => backend.done.length === 2);
  const bodies = backend.done.map(({ body }) => JSON.stringify(body)).sort();
  assert.deepEqual(bodies, [bateria, semaforos].map((body) => JSON.stringify(body)));
  await lights.waitForOutput('luces/chia {"color":"AZUL"}');
  await example.waitForOutput(/not delivered.*nivel/);
  await using peer = await WsClient.open(`ws://127.0.0.1:${port}/ws`);
  peer.send({ from: "573001112233", id: "wamid.1", text: { body: "hola" } });
  await eventually("the person gets an answer", () => whatsapp.done.length === 1);
  assert.equal(whatsapp.done[0]!.body.to, "573001112233");
  assert.equal(backend.calls.length, 2, "the backend gets no call for it");
  example.kill("SIGINT");
  assert.equal((await example.waitForExit()).code, 0);
});

Deno.test("as a module: configuration errors name the variable", async () => {
  await using dir = await TempDir.create();
  await using example = TestProcess.start(Deno.execPath(), {
    name: "example",
    args: ["run", "--allow-net", "--allow-read", "--allow-write=data", "--allow-env", EXAMPLE],
    cwd: dir.path,
    env: { MQTT_PORT: "no", BACKEND_URL: "nowhere" },
  });
  assert.equal((await example.waitForExit({ timeoutMs: 30_000 })).code, 2);
  assert.match(example.output, /^MQTT_PORT must be/m);
  assert.match(example.output, /^BACKEND_URL must be/m);
});
