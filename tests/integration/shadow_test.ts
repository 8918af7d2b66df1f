/** `--shadow` next to the clients of an older system on the same brokers. */

import assert from "node:assert/strict";
import mqtt from "mqtt";
import { eventually } from "../kit/eventually.ts";
import { HttpServer } from "../kit/servers/http_server.ts";
import { Kafka } from "../kit/servers/kafka.ts";
import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { MqttPublisher } from "../kit/clients/mqtt_publisher.ts";
import { trackingPayload } from "../kit/payload.ts";
import { TestProcess } from "../kit/servers/process.ts";
import { SseClient } from "../kit/clients/sse_client.ts";
import { Telecast } from "../kit/servers/telecast.ts";

const CLIENT_ID = "siscom-api";
const GROUP = "siscom-api-consumer";
const TOPIC = "tracking.data";
const DEVICES = Array.from({ length: 30 }, (_, i) => `truck-${i}`);

Deno.test("--shadow with an old system's MQTT client id: both get everything, and nothing is delivered", async () => {
  await using broker = await Mosquitto.start();
  await using backend = HttpServer.start("backend");
  const env = {
    BROKER_HOST: broker.url,
    MQTT_CLIENT_ID: CLIENT_ID,
    BACKEND_URL: backend.url,
  };
  await using old = await OldSubscriber.connect(broker.url);
  await using publisher = await MqttPublisher.connect(broker.url);
  {
    await using shadow = await Telecast.start({ env, args: ["--shadow"] });
    await shadow.waitForSource();
    await using events = await SseClient.open(shadow.sseUrl());
    for (let seq = 1; seq <= 20; seq++) {
      await publisher.publish("fleet", trackingPayload("A", seq));
    }
    const alarm = { tipo_mensaje: "semaforos", tipo_alarma: "fuego", empresa: "cota" };
    await publisher.publish("empresas", JSON.stringify(alarm));
    await events.waitForMessages(21);
    await eventually("the old system has them all", () => old.received === 21);
    assert.equal(old.disconnects, 0);
  }
  assert.equal(backend.asked.items.length, 0, "the old system delivers, not the shadow");
  // Without --shadow, the broker closes the connection of the first client with that id.
  await using rival = await Telecast.start({ env });
  await rival.waitForSource();
  await eventually("the old system is disconnected", () => old.disconnects > 0);
});

Deno.test("--shadow with an old system's Kafka group: both get every record", async () => {
  await using kafka = await Kafka.start();
  const round = (seq: number) =>
    kafka.produce(TOPIC, DEVICES.map((key) => ({ key, value: trackingPayload(key, seq) })));
  await round(1);
  const env = {
    KAFKA_BOOTSTRAP_SERVERS: kafka.bootstrap,
    KAFKA_TOPIC: TOPIC,
    KAFKA_GROUP_ID: GROUP,
    KAFKA_AUTO_OFFSET_RESET: "earliest",
  };
  // Joins the group, as the old system does.
  await using old = TestProcess.start("kcat", {
    args: ["-b", kafka.bootstrap, "-G", GROUP, "-u", "-X", "auto.offset.reset=earliest", TOPIC],
    mustLive: true,
  });
  const oldHas = () => old.stdout.match(/"DEVICE_ID"/g)?.length ?? 0;
  await eventually("the old system reads", () => oldHas() === 30, { timeoutMs: 60_000 });
  {
    await using shadow = await Telecast.start({ env, args: ["--shadow"] });
    await shadow.waitForSource("kafka", { timeoutMs: 60_000 });
    await using events = await SseClient.open(shadow.sseUrl());
    await eventually("the shadow reads from the start", async () => {
      const { devices } = await shadow.json("/api/v1/devices");
      return devices.length === DEVICES.length;
    }, { timeoutMs: 30_000 });
    const from = events.payloads.length;
    await round(2);
    await events.waitForMessages(from + 30, 60_000);
    await eventually("the old system reads on", () => oldHas() === 60, { timeoutMs: 60_000 });
  }
  // Without --shadow, Telecast cannot join: other client libraries assign partitions differently.
  await using rival = await Telecast.start({ env });
  await rival.process.waitForOutput(/use a KAFKA_GROUP_ID of its own/, { timeoutMs: 60_000 });
  await round(3);
  await eventually("the old system still reads", () => oldHas() === 90, { timeoutMs: 60_000 });
});

class OldSubscriber implements AsyncDisposable {
  received = 0;
  disconnects = 0;
  private constructor(private readonly client: mqtt.MqttClient) {
    client.on("message", () => this.received++);
    client.on("close", () => this.disconnects++);
    client.on("error", () => {});
  }

  static async connect(url: string): Promise<OldSubscriber> {
    const client = await mqtt.connectAsync(url, { clientId: CLIENT_ID, reconnectPeriod: 0 });
    await client.subscribeAsync("#", { qos: 1 });
    return new OldSubscriber(client);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.endAsync(true);
  }
}
