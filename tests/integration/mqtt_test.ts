import assert from "node:assert/strict";
import { Ingest } from "../ingest/mqtt/ingest.ts";
import { Certificates } from "../kit/servers/certificates.ts";
import { eventually } from "../kit/eventually.ts";
import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { freePort } from "../kit/ports.ts";
import { mosquittoPub, MqttPublisher } from "../kit/clients/mqtt_publisher.ts";
import { TcpProxy } from "../kit/servers/tcp_proxy.ts";

const message = (id: string) => `{"device_id":"${id}"}`;

Deno.test("MQTT: the source connects with MQTT 5 once a broker that was down is up", async () => {
  await using mosquitto = await Mosquitto.prepare();
  await using ingest = new Ingest({ url: mosquitto.url });
  await ingest.waitingFor(/nothing listens there/);
  await mosquitto.start();
  await ingest.connected();
  assert.match(ingest.detail, /connected with MQTT 5; new session; subscribed to #/);
  await mosquittoPub(mosquitto.port, "t", message("a"));
  await ingest.received("a");
});

Deno.test("MQTT: the source reconnects after kill -9 of the broker", async () => {
  await using mosquitto = await Mosquitto.start();
  await using ingest = new Ingest({ url: mosquitto.url });
  await ingest.connected();
  for (let round = 0; round < 2; round++) {
    await mosquitto.stop("SIGKILL");
    await ingest.waitingFor(/refused the connection|closed the connection/);
    await mosquitto.start();
    await ingest.connected();
    await mosquittoPub(mosquitto.port, "t", message(`after-${round}`));
    await ingest.received(`after-${round}`);
  }
  await eventually("reconnects", () => ingest.supervisor.counters.reconnects === 2);
});

Deno.test("MQTT: a wrong password is retried until the broker accepts it", async () => {
  const password = "clave-ñandú-secreta";
  await using mosquitto = await Mosquitto.start({ users: { telecast: "other" } });
  await using ingest = new Ingest({ url: mosquitto.url, username: "telecast", password });
  await ingest.waitingFor(/user name or password is wrong|not authorized/);
  await mosquitto.restart({ users: { telecast: password } });
  await ingest.connected();
  const args = ["-u", "telecast", "-P", password];
  await mosquittoPub(mosquitto.port, "t", message("a"), { args });
  await ingest.received("a");
  assert.ok(!ingest.log.join().includes("secreta"));
});

Deno.test("MQTT: messages published with QoS 1 and 2 while the source is away arrive afterwards", async () => {
  await using mosquitto = await Mosquitto.start();
  {
    await using ingest = new Ingest({ url: mosquitto.url, qos: 2 });
    await ingest.connected();
  }
  await mosquittoPub(mosquitto.port, "t", message("zero"), { qos: 0 });
  for (const qos of [1, 2] as const) {
    await mosquittoPub(mosquitto.port, "t", message(`qos-${qos}`), { qos });
  }
  await using ingest = new Ingest({ url: mosquitto.url, qos: 2 });
  await ingest.received("qos-1", "qos-2");
  await ingest.connected();
  assert.match(ingest.detail, /kept session/);
});

Deno.test("MQTT: a source that stops before its messages are stored loses nothing", async () => {
  await using mosquitto = await Mosquitto.start();
  {
    await using ingest = new Ingest({ url: mosquitto.url });
    await ingest.connected();
    ingest.hold = true;
    for (const id of ["a", "b"]) await mosquittoPub(mosquitto.port, "t", message(id));
    await ingest.received("a", "b");
  }
  await using ingest = new Ingest({ url: mosquitto.url });
  await ingest.received("a", "b");
});

Deno.test("MQTT: after the topics change, nothing more arrives from the old ones", async () => {
  await using mosquitto = await Mosquitto.start();
  let topics: readonly string[];
  {
    await using ingest = new Ingest({ url: mosquitto.url, topics: ["old/#", "both"] });
    await ingest.connected();
    topics = ingest.topics;
  }
  await using ingest = new Ingest({ url: mosquitto.url, topics: ["both", "new/+"] }, topics);
  await ingest.connected();
  assert.deepEqual(ingest.topics, ["both", "new/+"]);
  for (const topic of ["old/x", "both", "new/x"]) {
    await mosquittoPub(mosquitto.port, topic, message(topic));
  }
  await ingest.received("both", "new/x");
  assert.deepEqual(ingest.ids, ["both", "new/x"]);
});

Deno.test("MQTT: retained messages arrive once, not after each reconnect", async () => {
  await using mosquitto = await Mosquitto.start();
  await using proxy = await TcpProxy.start(mosquitto.port);
  await mosquittoPub(mosquitto.port, "t", message("kept"), { qos: 0, retain: true });
  const url = `mqtt://127.0.0.1:${proxy.port}`;
  {
    await using ingest = new Ingest({ url });
    await ingest.received("kept");
    await proxy.refuse();
    await ingest.waitingFor(/refused the connection|closed the connection/);
    await proxy.accept();
    await ingest.connected();
    await mosquittoPub(mosquitto.port, "t", message("end"));
    await ingest.received("end");
    assert.deepEqual(ingest.ids, ["kept", "end"]);
  }
  await using ingest = new Ingest({ url });
  await ingest.connected();
  await mosquittoPub(mosquitto.port, "t", message("end"));
  await ingest.received("end");
  assert.deepEqual(ingest.ids, ["end"], "with MQTT 5, not after a restart either");
});

for (const algorithm of ["ec", "rsa"] as const) {
  Deno.test(`MQTT: TLS with a private CA (${algorithm}), over TCP`, async () => {
    await using certificates = await Certificates.create(algorithm);
    const server = await certificates.server("server", { algorithm });
    const { caPath } = certificates;
    await using mosquitto = await Mosquitto.start({ tls: { caPath, server } });
    for (const host of ["localhost", "127.0.0.1"]) {
      await using ingest = new Ingest({ url: `mqtts://${host}:${mosquitto.tlsPort}`, caPath });
      await ingest.connected();
      await mosquittoPub(mosquitto.port, "t", message(`by-${host}`));
      await ingest.received(`by-${host}`);
    }
  });
}

Deno.test("MQTT: an untrusted certificate is refused, and the reason names the variable", async () => {
  await using certificates = await Certificates.create();
  await using others = await Certificates.create();
  const server = await certificates.server("server");
  await using mosquitto = await Mosquitto.start({ tls: { caPath: certificates.caPath, server } });
  const url = `mqtts://localhost:${mosquitto.tlsPort}`;
  for (const caPath of [undefined, others.caPath]) {
    await using ingest = new Ingest({ url, caPath });
    await ingest.waitingFor(/certificate is not trusted .*MQTT_CA_PATH/);
  }
});

Deno.test("MQTT: a server certificate for another name is refused", async () => {
  await using certificates = await Certificates.create();
  const { caPath } = certificates;
  const server = await certificates.server("server", { names: "DNS:mqtt.example.org" });
  await using mosquitto = await Mosquitto.start({ tls: { caPath, server } });
  await using ingest = new Ingest({ url: `mqtts://localhost:${mosquitto.tlsPort}`, caPath });
  await ingest.waitingFor(/certificate is not trusted/);
});

Deno.test("MQTT: TLS to a plain port, and plain TCP to a TLS port, are reported without a restart", async () => {
  await using certificates = await Certificates.create();
  const { caPath } = certificates;
  const server = await certificates.server("server");
  await using mosquitto = await Mosquitto.start({ tls: { caPath, server } });
  const urls = [`mqtts://localhost:${mosquitto.port}`, `mqtt://localhost:${mosquitto.tlsPort}`];
  for (const url of urls) {
    await using ingest = new Ingest({ url, caPath, connectTimeoutMs: 1_000 });
    await ingest.waitingFor(/localhost:\d+/);
    assert.equal(ingest.supervisor.restarts, 0);
  }
});

Deno.test("MQTT: over WebSockets", async () => {
  await using mosquitto = await Mosquitto.start({ websockets: true });
  await using ingest = new Ingest({ url: `ws://127.0.0.1:${mosquitto.wsPort}/mqtt` });
  await ingest.connected();
  assert.match(ingest.detail, /MQTT 5/);
  await mosquittoPub(mosquitto.port, "t", message("a"));
  await ingest.received("a");
  await mosquitto.restart({ signal: "SIGKILL" });
  await ingest.connected();
  await mosquittoPub(mosquitto.port, "t", message("b"));
  await ingest.received("b");
});

Deno.test("MQTT: over WebSockets with TLS and a private CA", async () => {
  await using certificates = await Certificates.create();
  const { caPath } = certificates;
  const { certPath, keyPath } = await certificates.server();
  const port = freePort();
  await using mosquitto = await Mosquitto.start({
    extra: [
      `listener ${port} 127.0.0.1`,
      "protocol websockets",
      `cafile ${caPath}`,
      `certfile ${certPath}`,
      `keyfile ${keyPath}`,
    ].join("\n"),
  });
  const url = `wss://localhost:${port}/mqtt`;
  await using ingest = new Ingest({ url, caPath });
  await ingest.connected();
  await mosquittoPub(mosquitto.port, "t", message("a"));
  await ingest.received("a");
  await using stranger = new Ingest({ url, clientId: "stranger" });
  await stranger.waitingFor(/certificate is not trusted .*MQTT_CA_PATH/);
});

Deno.test("MQTT: hostile messages between good ones are counted, and the good ones arrive", async () => {
  await using mosquitto = await Mosquitto.start();
  await using devices = await MqttPublisher.connect(mosquitto.url);
  await devices.publish("t", message("retained"), { retain: true });
  await using ingest = new Ingest({ url: mosquitto.url });
  await ingest.received("retained");
  const hostile: (string | Uint8Array)[] = [
    "",
    "hello",
    "[]",
    "17",
    "{}",
    '{"device_id":""}',
    `{"device_id":"${"x".repeat(129)}"}`,
    `{"device_id":"big","x":"${"x".repeat(1_000_000)}"}`,
    "[".repeat(10_000) + "]".repeat(10_000),
    new Uint8Array(100),
    new Uint8Array([0x7b, 0xff, 0x7d]),
  ];
  for (const qos of [0, 1, 2] as const) {
    for (const [i, payload] of hostile.entries()) {
      await devices.publish(`hostile/${"long/".repeat(100)}\u{1f692}`, payload, { qos });
      await devices.publish("t", message(`good-${qos}-${i}`), { qos });
    }
  }
  await eventually("the good ones", () => ingest.entries.length === 1 + 3 * hostile.length);
  await eventually("the count", () => {
    return ingest.supervisor.counters.malformed === 3 * hostile.length;
  });
  assert.ok(ingest.log.length < 20 && ingest.log.join().length < 10_000, ingest.log.join("\n"));
  assert.equal(ingest.supervisor.restarts, 0);
});

Deno.test("MQTT: a message of more than 16 MiB stays at the broker, and the connection survives", async () => {
  await using mosquitto = await Mosquitto.start();
  await using ingest = new Ingest({ url: mosquitto.url });
  await ingest.connected();
  await using devices = await MqttPublisher.connect(mosquitto.url);
  for (const mib of [15, 17]) await devices.publish("t", new Uint8Array(mib * 1024 * 1024));
  await devices.publish("t", message("a"));
  await ingest.received("a");
  await eventually("the count", () => ingest.supervisor.counters.malformed === 1);
  assert.equal(ingest.supervisor.counters.reconnects, 0);
});

Deno.test("MQTT: 5,000 messages with QoS 1 arrive at over 1,000/s, each acked after it is stored", async () => {
  await using mosquitto = await Mosquitto.start();
  await using ingest = new Ingest({ url: mosquitto.url });
  await ingest.connected();
  await using devices = await MqttPublisher.connect(mosquitto.url);
  const ids = Array.from({ length: 5_000 }, (_, i) => `d${i}`);
  const start = performance.now();
  for (let i = 0; i < ids.length; i += 250) {
    const some = ids.slice(i, i + 250).map((id) => ({ topic: "t", payload: message(id) }));
    await devices.publishAll(some);
  }
  await eventually("all", () => ingest.entries.length === ids.length);
  const perSecond = Math.round(ids.length / (performance.now() - start) * 1000);
  assert.deepEqual(ingest.ids, ids, "in order, none lost, none repeated");
  assert.ok(perSecond > 1_000, `${perSecond} messages a second`);
});

Deno.test("MQTT: 3,000 messages with QoS 1 are read while none is acked, up to the receive maximum", async () => {
  await using mosquitto = await Mosquitto.start();
  await using ingest = new Ingest({ url: mosquitto.url });
  await ingest.connected();
  ingest.hold = true;
  await using devices = await MqttPublisher.connect(mosquitto.url);
  const ids = Array.from({ length: 3_000 }, (_, i) => `d${i}`);
  for (let i = 0; i < ids.length; i += 250) {
    await devices.publishAll(
      ids.slice(i, i + 250).map((id) => ({ topic: "t", payload: message(id) })),
    );
  }
  await eventually("the receive maximum", () => ingest.supervisor.counters.received === 1_000);
  await ingest.supervisor.publish({ topic: "other", payload: message("still-alive"), qos: 1 });
  assert.equal(ingest.supervisor.counters.received, 1_000, "MQTT 5 bounds what is in flight");
  ingest.release();
  await eventually("the rest", () => ingest.entries.length === 3_001);
  assert.deepEqual(ingest.ids.filter((id) => id !== "still-alive"), ids);
});

Deno.test("MQTT: the connection survives a store that stalls for longer than the keep-alive", async () => {
  await using mosquitto = await Mosquitto.start();
  await using ingest = new Ingest({ url: mosquitto.url, keepaliveSeconds: 1 });
  await ingest.connected();
  ingest.hold = true;
  await using devices = await MqttPublisher.connect(mosquitto.url);
  const some = Array.from({ length: 6_000 }, (_, i) => ({ topic: "t", payload: message(`d${i}`) }));
  for (let i = 0; i < some.length; i += 500) {
    await devices.publishAll(some.slice(i, i + 500), { qos: 0 });
  }
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  assert.equal(ingest.supervisor.state.state, "connected");
  ingest.release();
  await eventually("all", () => ingest.entries.length === 6_000);
  const { dropped, reconnects } = ingest.supervisor.counters;
  assert.deepEqual({ dropped, reconnects }, { dropped: 0, reconnects: 0 });
});

Deno.test("MQTT: $share delivers each message to one of the instances", async () => {
  await using mosquitto = await Mosquitto.start();
  const shared = { url: mosquitto.url, topics: ["$share/telecast/t/#"], clean: true };
  await using one = new Ingest({ ...shared, clientId: "one" });
  await using two = new Ingest({ ...shared, clientId: "two" });
  await one.connected();
  await two.connected();
  await using devices = await MqttPublisher.connect(mosquitto.url);
  const ids = Array.from({ length: 200 }, (_, i) => `d${i}`);
  await devices.publishAll(ids.map((id) => ({ topic: `t/${id}`, payload: message(id) })));
  await eventually("all", () => one.entries.length + two.entries.length === 200);
  assert.deepEqual([...one.ids, ...two.ids].sort(), ids.sort());
  assert.ok(one.entries.length > 0 && two.entries.length > 0);
});

Deno.test("MQTT: the log suspects another client with the same id", async () => {
  await using mosquitto = await Mosquitto.start();
  await using ingest = new Ingest({ url: mosquitto.url });
  await ingest.connected();
  await using _ = await MqttPublisher.connect(mosquitto.url, {
    clientId: "telecast-integration",
    reconnectPeriod: 10,
  });
  await eventually(
    "the suspicion",
    () => /does another client use the id telecast-integration/.test(ingest.log.join()),
  );
});

Deno.test("MQTT: publish() resolves after the broker's ack, and rejects while the broker is down", async () => {
  await using mosquitto = await Mosquitto.start();
  await using ingest = new Ingest({ url: mosquitto.url });
  await ingest.connected();
  for (const qos of [0, 1, 2] as const) {
    await ingest.supervisor.publish({ topic: "t", payload: message(`p${qos}`), qos });
  }
  await ingest.received("p0", "p1", "p2");
  await mosquitto.stop("SIGKILL");
  await assert.rejects(
    ingest.supervisor.publish({ topic: "t", payload: "{}", qos: 1 }, 300),
    /was not connected within 300 ms|lost before the ack/,
  );
});
