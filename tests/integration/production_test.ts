/** Exercises all features of the program with the permissions of `deno task start`. */

import assert from "node:assert/strict";
import { SignJWT } from "jose";
import { AwsBroker } from "../ingest/aws_iot/aws_broker.ts";
import { Certificates } from "../kit/servers/certificates.ts";
import { DenoKv } from "../kit/servers/denokv.ts";
import { eventually } from "../kit/eventually.ts";
import { HttpServer } from "../kit/servers/http_server.ts";
import { Kafka } from "../kit/servers/kafka.ts";
import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { MqttPublisher } from "../kit/clients/mqtt_publisher.ts";
import { trackingPayload } from "../kit/payload.ts";
import { SseClient } from "../kit/clients/sse_client.ts";
import { freePort } from "../kit/ports.ts";
import { TestProcess } from "../kit/servers/process.ts";
import { startFlags, Telecast } from "../kit/servers/telecast.ts";
import { WsClient } from "../kit/clients/ws_client.ts";
import { Rig } from "../routes/rig.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const SECRET = "production-test-secret-of-32-bytes";
/** Deno's messages for missing permissions. */
const REFUSED = /NotCapable|Requires (net|read|write|run|env|sys|ffi) access|--allow-/;

Deno.test("the production permissions suffice for every source, route, file and delivery", async () => {
  await using stack = new AsyncDisposableStack();
  const [broker, kafka, aws] = await Promise.all([
    Mosquitto.start({ users: { telecast: "s3cr3t-password" } }),
    Kafka.start(),
    AwsBroker.start({ commands: true }),
  ]);
  for (const server of [broker, kafka, aws]) stack.use(server);
  await kafka.produce("tracking.data", [{ key: "B", value: trackingPayload("B", 1) }]);
  const backend = stack.use(HttpServer.start("backend"));
  const whatsapp = stack.use(HttpServer.start("WhatsApp"));
  const upstream = stack.use(HttpServer.start("upstream", (_asked, request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onopen = () => socket.send(trackingPayload("upstream", 1));
    return response;
  }));
  const statsd = stack.use(new Packets());
  const thing = await aws.thing();
  const telecast = stack.use(
    await Telecast.start({
      env: {
        AUTH_JWT_SECRET: SECRET,
        BROKER_HOST: broker.url,
        MQTT_USERNAME: "telecast",
        MQTT_PASSWORD: "s3cr3t-password",
        KAFKA_BOOTSTRAP_SERVERS: kafka.bootstrap,
        KAFKA_TOPIC: "tracking.data",
        KAFKA_AUTO_OFFSET_RESET: "earliest",
        AWS_IOT_ENDPOINT: aws.endpoint,
        AWS_IOT_CERT_PATH: thing.certPath,
        AWS_IOT_KEY_PATH: thing.keyPath,
        AWS_IOT_CA_PATH: thing.caPath,
        AWS_IOT_CLIENT_ID: thing.clientId,
        WEBSOCKET_URL: upstream.url.replace("http", "ws"),
        BACKEND_URL: backend.url,
        WHATSAPP_API_URL: whatsapp.url,
        WHATSAPP_TOKEN: "s3cr3t-token",
        WHATSAPP_RECIPIENTS: '{"*":["573001112233"]}',
        STATSD_HOST: `127.0.0.1:${statsd.port}`,
        LOG_FILE: "data/telecast.log",
        LOG_LEVEL: "debug",
      },
    }),
  );
  const authorization = `Bearer ${await token()}`;
  const headers = { authorization, "content-type": "application/json" };
  await eventually("every source is connected", async () => {
    const { sources } = await telecast.json("/api/v1/stats", { headers });
    return sources.length >= 3 &&
      sources.every(({ state }: { state: string }) => state === "connected");
  }, { timeoutMs: 60_000 });

  const post = (path: string, body: unknown) =>
    telecast.json(path, { method: "POST", headers, body: JSON.stringify(body) });
  await post("/api/v1/empresas", { id: "cota", name: "Cota" });
  await using events = await SseClient.open(telecast.sseUrl("since="), { headers });
  await using socket = await WsClient.open(telecast.wsUrl("device_ids=*"), { headers });
  const devices = stack.use(
    await MqttPublisher.connect(broker.url, {
      username: "telecast",
      password: "s3cr3t-password",
    }),
  );
  await devices.publish("fleet/A", trackingPayload("A", 1));
  await post("/api/v1/publish", { topic: "fleet/C", payload: trackingPayload("C", 1), qos: 1 });
  await post("/api/v1/devices/D/commands", { do: "beep" });
  await post("/api/v1/iot/telemetry", { device_id: "E", data: { n: 1 } });
  await post("/api/v1/iot/events", { device_id: "E", event: "hot", metadata: {} });
  const seen = ["A", "C", "beep", '"n":1', '"hot"'].map((text) =>
    text.length === 1 ? `"DEVICE_ID":"${text}"` : text
  );
  for (const client of [events, socket]) {
    for (const text of seen) {
      await client.waitFor(({ data }) => data.includes(text), { timeoutMs: 30_000 });
    }
  }
  await eventually("Kafka's record", async () => {
    const { messages } = await telecast.json("/api/v1/devices/B/messages", { headers });
    return messages.length === 1;
  }, { timeoutMs: 30_000 });
  const alarm = { tipo_mensaje: "semaforos", tipo_alarma: "fuego", empresa: "cota" };
  await devices.publish("empresas/cota", JSON.stringify(alarm));
  await backend.asked.waitFor(({ body }) => body.includes("fuego"), { timeoutMs: 30_000 });
  await whatsapp.asked.waitFor(({ body }) => body.includes("573001112233"), { timeoutMs: 30_000 });
  await eventually("StatsD", () => statsd.text.includes("telecast."));

  await everyRoute(telecast, authorization);
  await telecast.kill("SIGTERM");
  const log = await Deno.readTextFile(`${telecast.cwd}/data/telecast.log`);
  assert.match(log, /stopped/);
  assert.doesNotMatch(telecast.output + log, REFUSED);
  assert.doesNotMatch(telecast.output + log, /s3cr3t/);
});

Deno.test("the production permissions suffice for a KV server, TLS, a JWKS and threads", async () => {
  await using stack = new AsyncDisposableStack();
  const kv = stack.use(await DenoKv.start());
  const broker = stack.use(await Mosquitto.start());
  const certificates = stack.use(await Certificates.create());
  const keys = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
    "sign",
    "verify",
  ]);
  const jwk = { ...await crypto.subtle.exportKey("jwk", keys.publicKey), kid: "1", alg: "ES256" };
  const issuer = stack.use(HttpServer.start("issuer", () => Response.json({ keys: [jwk] })));
  const { certPath, keyPath } = await certificates.server();
  const telecast = stack.use(
    await Telecast.start({
      env: {
        ...kv.env,
        BROKER_HOST: broker.url,
        AUTH_JWKS_URL: `${issuer.url}/jwks.json`,
        WEB_CONCURRENCY: "2",
      },
    }),
  );
  // This instance only serves clients: the other one has the lease.
  const port = freePort();
  const secure = stack.use(TestProcess.start(Deno.execPath(), {
    name: "telecast with TLS",
    args: ["run", "--no-prompt", ...await startFlags(), MAIN],
    cwd: telecast.cwd,
    env: {
      ...kv.env,
      PORT: String(port),
      AUTH_JWKS_URL: `${issuer.url}/jwks.json`,
      TLS_CERT_PATH: certPath,
      TLS_KEY_PATH: keyPath,
    },
    mustLive: true,
  }));
  await secure.waitForOutput(/listening on https/);
  const signed = await new SignJWT(CLAIMS).setProtectedHeader({ alg: "ES256", kid: "1" })
    .setExpirationTime("1h").sign(keys.privateKey);
  const authorization = `Bearer ${signed}`;
  await eventually("connected", async () => {
    const { sources } = await telecast.json("/api/v1/stats", { headers: { authorization } });
    return sources.some(({ state }: { state: string }) => state === "connected");
  }, { timeoutMs: 30_000 });
  const sockets: WsClient[] = [];
  for (let i = 0; i < 8; i++) {
    // A thread that is still starting answers 503.
    const open = () =>
      WsClient.open(telecast.wsUrl("device_ids=*"), { headers: { authorization } });
    sockets.push(stack.use(await eventually("a socket", open, { timeoutMs: 30_000 })));
  }
  await using devices = await MqttPublisher.connect(broker.url);
  await devices.publish("fleet/A", trackingPayload("A", 1));
  for (const socket of sockets) await socket.waitForMessages(1, 30_000);
  const url = `https://127.0.0.1:${port}/api/v1/stream`;
  await using curl = TestProcess.start("curl", {
    args: ["-NsS", "--retry", "5", "--retry-all-errors", "--cacert", certificates.caPath]
      .concat("-H", `Authorization: ${authorization}`, url),
  });
  await curl.waitForOutput(/^retry: /m);
  await devices.publish("fleet/A", trackingPayload("A", 2));
  await curl.waitForOutput(/^data: .*"SEQ":2,/m);
  curl.kill();
  await everyRoute(telecast, authorization);
  assert.doesNotMatch(telecast.output + secure.output, REFUSED);
});

const CLAIMS = { device_ids: ["*"], scope: "stream publish admin" };

function token(): Promise<string> {
  return new SignJWT(CLAIMS).setProtectedHeader({ alg: "HS256" }).setExpirationTime("1h")
    .sign(new TextEncoder().encode(SECRET));
}

/** Requests every route with a valid token: each answers, and none fails. */
async function everyRoute(telecast: Telecast, authorization: string): Promise<void> {
  await using rig = await Rig.start();
  const page = await (await fetch(telecast.url)).text();
  const assets = [...page.matchAll(/["'](assets\/[^"']+)["']/g)].map(([, path]) => `/${path}`);
  assert.ok(assets.length > 0, "the page names no assets");
  const asked = new Set(assets.map((path) => `GET ${path}`));
  for (const { method, path } of rig.routes) {
    if (method === "ALL" || path.includes("/assets/")) continue;
    asked.add(`${method} ${path.replace(/:id\b/, "A").replace(/:[a-z]+/g, "1")}`);
  }
  assert.ok(asked.size > 20);
  for (const one of asked) {
    const [method, path] = one.split(" ") as [string, string];
    const response = await fetch(telecast.url + path, {
      method,
      headers: { authorization, "content-type": "application/json" },
      ...(method === "GET" ? {} : { body: "{}" }),
    });
    const event = response.headers.get("content-type")?.startsWith("text/event-stream");
    const text = event ? "" : await response.text();
    await response.body?.cancel().catch(() => {});
    const known = response.status < 500 || response.status === 503;
    const mine = ![401, 403, 405].includes(response.status) && !/"code":"not_found"/.test(text);
    assert.ok(known && mine, `${one} answered ${response.status}: ${text.slice(0, 300)}`);
  }
}

/** Receives UDP packets from StatsD. */
class Packets implements AsyncDisposable {
  text = "";
  readonly #socket = Deno.listenDatagram({ port: 0, hostname: "127.0.0.1", transport: "udp" });
  readonly #read = this.#run();

  get port(): number {
    return (this.#socket.addr as Deno.NetAddr).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await this.#read;
  }

  async #run(): Promise<void> {
    for await (const [bytes] of this.#socket) this.text += new TextDecoder().decode(bytes);
  }
}
