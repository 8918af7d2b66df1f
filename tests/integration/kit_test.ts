/** The kit's own servers and tools: what the other integration tests build on. */

import assert from "node:assert/strict";
import mqtt from "mqtt";
import { Certificates } from "../kit/certificates.ts";
import { eventually } from "../kit/eventually.ts";
import { Mosquitto } from "../kit/mosquitto.ts";
import { mosquittoPub, MqttPublisher } from "../kit/mqtt_publisher.ts";
import { isListening } from "../kit/ports.ts";
import { TestProcess } from "../kit/process.ts";

Deno.test("TestProcess.waitForOutput() fails with the output of a process that ended", async () => {
  await using process = TestProcess.start("sh", { args: ["-c", "echo first; echo last >&2"] });
  await assert.rejects(process.waitForOutput("never"), /ended before it printed never[^]*last/);
});

Deno.test("TestProcess disposal fails where a server ended by itself", async () => {
  const process = TestProcess.start("sh", { args: ["-c", "exit 3"], mustLive: true });
  await process.exited;
  await assert.rejects(process[Symbol.asyncDispose](), /ended by itself with code 3/);
});

Deno.test("TestProcess.start() names the command that installs what is missing", () => {
  assert.throws(() => TestProcess.start("/no/such/server"), /integration\/install\.sh/);
});

Deno.test("Mosquitto keeps a session's messages over a restart", async () => {
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
  Deno.test(`Certificates (${algorithm}) serve Mosquitto's TLS with client certificates`, async () => {
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
