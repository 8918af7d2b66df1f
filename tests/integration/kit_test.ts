/** The test kit's own servers and tools. */

import assert from "node:assert/strict";
import mqtt from "mqtt";
import { Certificates } from "../kit/servers/certificates.ts";
import { DenoKv } from "../kit/servers/denokv.ts";
import { eventually } from "../kit/eventually.ts";
import { Haproxy } from "../kit/servers/haproxy.ts";
import { Kafka } from "../kit/servers/kafka.ts";
import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { mosquittoPub, MqttPublisher } from "../kit/clients/mqtt_publisher.ts";
import { isListening } from "../kit/ports.ts";
import { TestProcess } from "../kit/servers/process.ts";

Deno.test("TestProcess.waitForOutput() fails with the process's output if it has ended", async () => {
  await using process = TestProcess.start("sh", { args: ["-c", "echo first; echo last >&2"] });
  await assert.rejects(process.waitForOutput("never"), /ended before it printed never[^]*last/);
});

Deno.test("TestProcess disposal fails if a server ended by itself", async () => {
  const process = TestProcess.start("sh", { args: ["-c", "exit 3"], mustLive: true });
  await process.exited;
  await assert.rejects(process[Symbol.asyncDispose](), /ended by itself with code 3/);
});

Deno.test("TestProcess.start() names the install command if a program is missing", () => {
  assert.throws(() => TestProcess.start("/no/such/server"), /integration\/install\.sh/);
});

Deno.test("Mosquitto keeps a session's messages across a restart", async () => {
  await using broker = await Mosquitto.start({ persistence: true, users: { ana: "secret" } });
  const options = { username: "ana", password: "secret", clean: false, clientId: "kit" };
  const first = mqtt.connect(broker.url, options);
  await first.subscribeAsync("kit/#", { qos: 1 });
  await first.endAsync();
  await using publisher = await MqttPublisher.connect(broker.url, {
    username: "ana",
    password: "secret",
  });
  await publisher.publishAll(
    Array.from({ length: 2000 }, (_, i) => ({ topic: "kit/a", payload: String(i) })),
  );
  await broker.restart();
  const seen: string[] = [];
  const second = mqtt.connect(broker.url, options);
  second.on("message", (_topic, payload) => seen.push(payload.toString()));
  await eventually("all messages", () => seen.length === 2000);
  await second.endAsync();
  assert.deepEqual(seen, Array.from({ length: 2000 }, (_, i) => String(i)));
});

Deno.test("Mosquitto refuses, dies and comes back on the same port", async () => {
  await using broker = await Mosquitto.start({ users: { ana: "secret" } });
  await assert.rejects(mosquittoPub(broker.port, "a", "1"), /mosquitto_pub failed/);
  await mosquittoPub(broker.port, "a", "1", { args: ["-u", "ana", "-P", "secret"] });
  await broker.stop("SIGKILL");
  assert.equal(await isListening(broker.port), false);
  await broker.restart({ users: { eva: "other" } });
  await mosquittoPub(broker.port, "a", "1", { args: ["-u", "eva", "-P", "other"] });
});

for (const algorithm of ["rsa", "ec"] as const) {
  Deno.test(`Certificates (${algorithm}) work with Mosquitto's TLS and client certificates`, async () => {
    await using certificates = await Certificates.create(algorithm);
    const server = await certificates.server("server", { algorithm });
    const client = await certificates.client("device", { algorithm });
    await using broker = await Mosquitto.start({
      tls: { caPath: certificates.caPath, server, requireClientCertificate: true },
      websockets: true,
    });
    assert.ok(await isListening(broker.wsPort!));
    const tls = ["--cafile", certificates.caPath];
    await assert.rejects(mosquittoPub(broker.tlsPort!, "a", "1", { args: tls }));
    const key = await certificates.traditionalKey(client, algorithm);
    const pair = ["--cert", client.certPath, "--key", key];
    await mosquittoPub(broker.tlsPort!, "a", "1", { args: [...tls, ...pair] });
  });
}

Deno.test("DenoKv keeps its data across kill -9, and starts empty on request", async () => {
  await using server = await DenoKv.start();
  const open = () => {
    Deno.env.set("DENO_KV_ACCESS_TOKEN", server.accessToken);
    return Deno.openKv(server.url);
  };
  using kv = await open();
  await kv.set(["a"], "kept");
  await server.restart();
  assert.equal((await kv.get(["a"])).value, "kept");
  await server.restart({ empty: true });
  using other = await open();
  assert.equal((await other.get(["a"])).value, null);
  assert.ok(await server.databaseBytes() > 0);
});

Deno.test("Haproxy spreads clients over the running instances", async () => {
  const serve = (name: string) =>
    Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response(name));
  const instances = [serve("a"), serve("b")];
  await using proxy = await Haproxy.start({
    ports: instances.map(({ addr }) => addr.port),
    checkPath: "/readyz",
  });
  const names = new Set<string>();
  const ask = async () => {
    const response = await fetch(proxy.url, { headers: { connection: "close" } });
    names.add(await response.text());
  };
  await eventually("answers from both", async () => (await ask(), names.size === 2));
  await instances[0]!.shutdown();
  names.clear();
  await eventually("answers from only one", async () => {
    for (let i = 0; i < 4; i++) await ask();
    const alone = names.size === 1 && names.has("b");
    names.clear();
    return alone;
  });
  await instances[1]!.shutdown();
});

Deno.test("Kafka answers on all listeners, and keeps its data across kill -9", async () => {
  await using certificates = await Certificates.create();
  const client = await certificates.client();
  await using kafka = await Kafka.start({
    users: { ana: "secret" },
    tls: {
      caPath: certificates.caPath,
      server: await certificates.server(),
      requireClientCertificate: true,
    },
  });
  await kafka.produce("fleet", [{ key: "A", value: "1" }, { key: "B", value: null }, {
    value: "3",
  }]);
  await kafka.restart();
  await kafka.produce("fleet", [{ key: "A", value: "4" }], { codec: "zstd" });
  const consume = (...args: string[]) =>
    TestProcess.run("kcat", { args: ["-C", "-t", "fleet", "-e", "-q", "-f", "%k=%s\n", ...args] });
  const expected = ["=3", "A=1", "A=4", "B="];
  const lines = (text: string) => text.trimEnd().split("\n").sort();
  assert.deepEqual(lines(await consume("-b", kafka.bootstrap)), expected);
  const settings = (all: Record<string, string>) =>
    Object.entries(all).flatMap(([key, value]) => ["-X", `${key}=${value}`]);
  // PLAIN only: Debian's kcat sends a SCRAM nonce that brokers since 3.9 refuse.
  const sasl = settings({
    "security.protocol": "sasl_plaintext",
    "sasl.mechanisms": "PLAIN",
    "sasl.username": "ana",
    "sasl.password": "secret",
  });
  assert.deepEqual(lines(await consume("-b", kafka.saslBootstrap, ...sasl)), expected);
  const tls = settings({
    "security.protocol": "ssl",
    "ssl.ca.location": certificates.caPath,
    "ssl.certificate.location": client.certPath,
    "ssl.key.location": client.keyPath,
  });
  assert.deepEqual(lines(await consume("-b", kafka.sslBootstrap, ...tls)), expected);
});
