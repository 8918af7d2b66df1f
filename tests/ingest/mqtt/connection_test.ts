import assert from "node:assert/strict";
import { eventually } from "../../kit/eventually.ts";
import { freePort } from "../../kit/ports.ts";
import { TempDir } from "../../kit/temp_dir.ts";
import { CONNACK_5, drop, probe, publisher, scripted, startBroker } from "./kit.ts";

Deno.test("MqttSource uses 3.1.1 if the broker refuses MQTT 5", async () => {
  await using broker = await startBroker();
  await using source = probe(broker.url);
  await source.connected();
  assert.match(JSON.stringify(source.state), /connected with MQTT 3\.1\.1/);
  assert.deepEqual(source.reasons, [], "the refusal costs no wait");
});

Deno.test("MqttSource does not try MQTT 5 again after it was refused", async () => {
  await using broker = await startBroker();
  let refusals = 0;
  broker.aedes.on("connectionError", () => refusals++);
  await using source = probe(broker.url);
  await source.connected();
  drop(broker);
  await eventually("broken", () => source.reasons.length === 1);
  await source.connected();
  assert.equal(refusals, 1);
});

Deno.test("MqttSource names the topics that the broker refuses and reads the others", async () => {
  await using broker = await startBroker();
  broker.aedes.authorizeSubscribe = (_client, subscription, done) =>
    done(null, subscription.topic === "secret/#" ? null : subscription);
  await using source = probe(broker.url, { topics: ["open/#", "secret/#"] });
  await source.connected();
  assert.match(JSON.stringify(source.state), /subscribed to open\/#; the broker refused secret\/#/);
  assert.ok(source.log.some((line) => /^warning .*refused secret\/#/.test(line)));
  await using devices = await publisher(broker.url);
  await devices.publish("open/a", "a");
  await source.received(1);
});

Deno.test("MqttSource connects once a wrong password is corrected on the broker", async () => {
  await using broker = await startBroker();
  let right = "another";
  broker.aedes.authenticate = (_client, _user, password, done) => {
    if (password?.toString() === right) done(null, true);
    else done(Object.assign(new Error("no"), { returnCode: 4 }), false);
  };
  const password = "a-secret-🔑";
  await using source = probe(broker.url, { username: "telecast", password });
  await eventually("three tries", () => source.reasons.length >= 3);
  assert.match(source.reasons[0]!, /user name or password is wrong; check MQTT_USERNAME/);
  right = password;
  await source.connected();
  assert.ok(!JSON.stringify([source.log, source.states]).includes("a-secret"));
});

Deno.test("MqttSource connects once the broker is up, and again after a restart", async () => {
  const port = freePort();
  await using source = probe(`mqtt://127.0.0.1:${port}`);
  await source.waitingFor(/nothing listens there/);
  assert.equal(
    source.reasons[0],
    `127.0.0.1:${port} refused the connection: nothing listens there; start it`,
  );
  {
    await using _ = await startBroker(port);
    await source.connected();
  }
  await source.waitingFor(/nothing listens there/);
  await using broker = await startBroker(port);
  await source.connected();
  await using devices = await publisher(broker.url);
  await devices.publish("t", "a");
  await source.received(1);
  const warnings = source.log.filter((line) => /^warning .*nothing listens/.test(line));
  assert.ok(warnings.length <= 2, "a persistent reason is logged once");
});

Deno.test("MqttSource gives up on a server that never answers, and tries again", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const held: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const connection of listener) held.push(connection);
  })();
  await using source = probe(`mqtt://127.0.0.1:${listener.addr.port}`, { connectTimeoutMs: 100 });
  await eventually("two tries", () => source.reasons.length >= 2);
  assert.match(source.reasons[0]!, /gave no answer in time; is it an MQTT broker/);
  await source.stop();
  listener.close();
  await accepting;
  for (const connection of held) connection.close();
});

Deno.test("MqttSource reports that a server closes without answering", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepting = (async () => {
    for await (const connection of listener) connection.close();
  })();
  await using source = probe(`mqtt://127.0.0.1:${listener.addr.port}`);
  await eventually("two tries", () => source.reasons.length >= 2);
  assert.match(source.reasons[0]!, /closed the connection/);
  await source.stop();
  listener.close();
  await accepting;
});

Deno.test("MqttSource says what is wrong with the CA file, but not what it contains", async () => {
  await using dir = await TempDir.create();
  const garbage = await dir.write(
    "ca.crt",
    "-----BEGIN CERTIFICATE-----\nTm8=\n-----END CERTIFICATE-----",
  );
  const empty = await dir.write("empty.crt", "secret text");
  for (
    const [caPath, reason] of [
      [dir.join("none.crt"), /the file at MQTT_CA_PATH cannot be read \(NotFound\)/],
      [garbage, /contains a damaged certificate/],
      [empty, /contains no PEM certificate/],
    ] as const
  ) {
    await using source = probe("mqtts://127.0.0.1:1", { caPath });
    await source.waitingFor(reason);
  }
});

Deno.test("MqttSource keeps the connection alive while it holds back the broker", async () => {
  await using broker = await startBroker();
  await using source = probe(broker.url, {
    keepaliveSeconds: 1,
    ingressBuffer: { holdMs: 60_000 },
  });
  await source.connected();
  await using devices = await publisher(broker.url);
  source.credit = false;
  await devices.publish("t", "a", { qos: 0 });
  await devices.publish("t", "b", { qos: 0 });
  await new Promise((resolve) => setTimeout(resolve, 3_500));
  assert.deepEqual(source.reasons, []);
  assert.deepEqual(source.payloads, []);
  source.credit = true;
  await source.received(2);
  assert.deepEqual(source.payloads, ["a", "b"]);
  assert.equal(source.dropped, 0);
});

Deno.test("MqttSource.publish() waits for a connection, and rejects without one", async () => {
  const port = freePort();
  await using source = probe(`mqtt://127.0.0.1:${port}`);
  await source.waitingFor(/nothing listens/);
  await assert.rejects(
    source.publish("t", "a", 1, 50),
    /127\.0\.0\.1:\d+ was not connected within 50 ms/,
  );
  const publishing = source.publish("t", "b", 1, 10_000);
  await using _ = await startBroker(port);
  await publishing;
  await source.stop();
  await assert.rejects(source.publish("t", "c", 1, 50), /not connected|stopped/);
});

Deno.test("MqttSource.stop() aborts a pending connect at once", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const source = probe(`mqtt://127.0.0.1:${listener.addr.port}`);
  const connection = await listener.accept();
  const start = performance.now();
  await source.stop();
  assert.ok(performance.now() - start < 1_500);
  connection.close();
});

Deno.test("MqttSource reports that another client connected with its id", async () => {
  await using broker = scripted((packet) =>
    packet[0] === 0x10 ? [...CONNACK_5, 0xe0, 1, 142] : undefined
  );
  await using source = probe(broker.url);
  await source.waitingFor(/another client with the id telecast-test connected/);
});

Deno.test("MqttSource names a topic that an MQTT 5 broker refuses", async () => {
  await using broker = scripted((packet) => {
    if (packet[0] === 0x10) return CONNACK_5;
    if (packet[0] === 0x82) return [0x90, 5, packet[2]!, packet[3]!, 0, 1, 135];
    return undefined;
  });
  await using source = probe(broker.url, { topics: ["open", "secret"] });
  await source.connected();
  assert.match(JSON.stringify(source.state), /MQTT 5; .*to open; the broker refused secret/);
});

Deno.test("MqttSource tries again if the broker sends garbage", async () => {
  await using broker = scripted(() => [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
  await using source = probe(broker.url);
  await eventually("three tries", () => source.reasons.length >= 3);
  assert.match(source.reasons[0]!, /^127\.0\.0\.1:\d+/);
});

Deno.test("MqttSource tries again if the broker does not answer a SUBSCRIBE", async () => {
  await using broker = scripted((packet) => {
    if (packet[0] === 0x10) return CONNACK_5;
    if (packet[0] === 0xc0) return [0xd0, 0];
    return undefined;
  });
  await using source = probe(broker.url, { answerTimeoutMs: 200 });
  await source.waitingFor(/did not accept the subscriptions: no answer to SUBSCRIBE/);
});
