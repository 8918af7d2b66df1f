import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import {
  AwsIotConfigError,
  AwsIotService,
  type AwsIotServiceConfig,
  type Command,
  InvalidPayloadError,
  RefusedError,
} from "../../../ingest/aws_iot/service.ts";
import type { AwsIotTuning } from "../../../ingest/aws_iot/service_config.ts";
import { AwsBroker, DEVICE } from "../../ingest/aws_iot/aws_broker.ts";
import { ManualClock } from "../../ingest/aws_iot/manual_clock.ts";
import { TlsFront } from "../../ingest/aws_iot/tls_front.ts";
import { Certificates } from "../../kit/servers/certificates.ts";
import { eventually, within } from "../../kit/eventually.ts";
import { Mosquitto } from "../../kit/servers/mosquitto.ts";

const QUICK: AwsIotTuning = { retryBaseMs: 50, slowRetryMs: 400 };

async function connected(
  config: AwsIotServiceConfig & AwsIotTuning,
  parts?: ConstructorParameters<typeof AwsIotService>[1],
): Promise<AwsIotService> {
  const service = new AwsIotService({ ...QUICK, ...config }, parts);
  assert.equal(await within("start()", service.start()), true, JSON.stringify(service.status()));
  return service;
}

/** Starts the service and waits until its status has a matching reason. */
async function failing(service: AwsIotService, reason: RegExp): Promise<void> {
  service.start();
  await eventually(
    `${reason}: ${JSON.stringify(service.status())}`,
    () => reason.test(service.status().reason ?? ""),
  );
}

for (const algorithm of ["rsa", "ec"] as const) {
  for (const traditional of [false, true]) {
    const form = traditional ? (algorithm === "rsa" ? "PKCS1" : "SEC1") : "PKCS8";
    Deno.test(`AWS IoT: ${algorithm} in ${form}: publishes, and receives commands`, async () => {
      await using broker = await AwsBroker.start({ algorithm });
      await using subscriber = await broker.subscribe("bombercat/#");
      const thing = await broker.thing(DEVICE, { algorithm, traditional });
      await using service = await connected(thing);
      assert.equal(service.isConnected, true);
      const commands: Command[] = [];
      service.onCommand((command) => void commands.push(command));
      assert.equal(await service.publishTelemetry({ temperature: 25.5 }), "published");
      await broker.publish("bombercat/commands/X", '{"go": 1}');
      await eventually("the command", () => commands.length === 1);
      assert.deepEqual(commands, [{
        topic: "bombercat/commands/X",
        deviceId: "X",
        payload: '{"go": 1}',
        data: { go: 1 },
      }]);
      await subscriber.waitForMessages(2);
      assert.equal(subscriber.messages[0]!.topic, "bombercat/telemetry");
    });
  }
}

Deno.test("AWS IoT: a subscriber sees exactly the payloads that existing consumers expect", async () => {
  await using broker = await AwsBroker.start();
  await using subscriber = await broker.subscribe("bombercat/#");
  const clock = new ManualClock(1_234_567_890_123);
  await using service = await connected(
    { ...await broker.thing(), deviceId: "bombercat-001" },
    { clock },
  );
  await service.publishTelemetry({ temperature: 25.5, humidity: 60.25, custom_field: "valor ñ" });
  await service.publishEvent("sensor_alert", { severity: "warning", sensor_id: "temp_01" });
  await subscriber.waitForMessages(2);
  assert.deepEqual(subscriber.messages.map(({ topic, payload }) => [topic, payload]), [
    [
      "bombercat/telemetry",
      '{"timestamp":1234567890.123,"device_id":"bombercat-001",' +
      '"data":{"temperature":25.5,"humidity":60.25,"custom_field":"valor ñ"}}',
    ],
    [
      "bombercat/events",
      '{"timestamp":1234567890.123,"device_id":"bombercat-001",' +
      '"event":"sensor_alert","metadata":{"severity":"warning","sensor_id":"temp_01"}}',
    ],
  ]);
  assert.equal(service.status().last_publish_ts, 1_234_567_890.123);
});

Deno.test("AWS IoT: a keepalive is sent every 25 seconds, and only while connected", async () => {
  await using broker = await AwsBroker.start();
  await using subscriber = await broker.subscribe("bombercat/events");
  const clock = new ManualClock(1_700_000_000_000);
  const joined: string[] = [];
  await using service = await connected({ ...await broker.thing(), deviceId: "cat" }, {
    clock,
    onPublished: ({ payload }) => Promise.resolve(void joined.push(payload)),
  });
  clock.advance(24_999);
  // The keepalive comes after this event.
  await service.publishEvent("real", {});
  clock.advance(1);
  await subscriber.waitForMessages(2);
  clock.advance(25_000);
  await subscriber.waitForMessages(3);
  assert.match(subscriber.payloads[0]!, /"event":"real"/);
  assert.deepEqual(
    subscriber.payloads.slice(1),
    [25, 50].map((uptime) =>
      `{"timestamp":${1_700_000_000 + uptime}.000,"device_id":"cat","event":"keepalive",` +
      `"metadata":{"uptime":${uptime}.000,"status":"alive"}}`
    ),
  );
  assert.equal(joined.length, 1, "keepalives do not join the stream");
  await broker.mosquitto.stop("SIGKILL");
  await eventually("the loss", () => !service.isConnected);
  clock.advance(60_000);
  assert.equal(service.status().buffered, 0, "keepalives are not buffered");
  assert.equal(service.status().totals.published, 1, "keepalives do not count as data");
});

Deno.test("AWS IoT: a publish that the policy forbids is a clear error, and the others go on", async () => {
  await using broker = await AwsBroker.start();
  await using service = await connected(await broker.thing());
  await assert.rejects(service.publishCommand("X", "{}"), (error: Error) => {
    assert.ok(error instanceof RefusedError);
    assert.match(error.message, /refused the message to bombercat\/commands\/X: .*not authorized/);
    return true;
  });
  assert.equal(await service.publishTelemetry({ n: 1 }), "published");
  assert.equal(service.status().totals.refused, 1);
});

Deno.test("AWS IoT: a topic that the policy forbids is reported and skipped, the others stay", async () => {
  await using broker = await AwsBroker.start();
  const seen: string[] = [];
  const topics = ["bombercat/secret/#", "bombercat/commands/#"];
  await using service = await connected({ ...await broker.thing(), topics });
  service.onCommand(({ deviceId }) => void seen.push(deviceId));
  assert.match(service.status().detail ?? "", /refused bombercat\/secret\/#/);
  assert.match(service.status().detail ?? "", /subscribed to bombercat\/commands\/#/);
  await broker.publish("bombercat/commands/A", "{}");
  await eventually("the command", () => seen.includes("A"));
});

Deno.test("AWS IoT: a client id that the policy forbids is refused, and the reason names the variable", async () => {
  await using broker = await AwsBroker.start();
  const thing = await broker.thing();
  await using service = new AwsIotService({ ...QUICK, ...thing, clientId: "other-1" });
  await failing(service, /AWS_IOT_CLIENT_ID|iot:Connect/);
});

Deno.test("AWS IoT: foreign and revoked certificates are refused", async () => {
  await using broker = await AwsBroker.start();
  await using foreign = await Certificates.create();
  const thing = await broker.thing();
  const stranger = await foreign.client(DEVICE);
  await using service = new AwsIotService({ ...QUICK, ...thing, ...stranger });
  await failing(service, /did not accept this client's certificate.*AWS_IOT_CERT_PATH/);
  {
    await using before = await connected(thing);
    assert.ok(before.isConnected);
  }
  await broker.revoke(thing.certPath);
  await broker.mosquitto.restart();
  await using revoked = new AwsIotService({ ...QUICK, ...thing });
  await failing(revoked, /did not accept this client's certificate.*CertificateRevoked/);
});

Deno.test("AWS IoT: certificates renewed in place are used from the next connection on", async () => {
  await using broker = await AwsBroker.start();
  const thing = await broker.thing();
  await using service = await connected(thing);
  await broker.revoke(thing.certPath);
  await broker.mosquitto.restart({ signal: "SIGKILL" });
  await failing(service, /CertificateRevoked/);
  const kept = await Deno.readTextFile(thing.keyPath);
  await broker.thing(); // Has the same name, so it overwrites the same files.
  const key = await Deno.readTextFile(thing.keyPath);
  await Deno.writeTextFile(thing.keyPath, kept);
  await failing(service, /^AWS_IOT_KEY_PATH names a key that does not belong/);
  await Deno.writeTextFile(thing.keyPath, key);
  await eventually("the connection", () => service.isConnected);
  assert.equal(await service.publishTelemetry({ n: 1 }), "published");
});

Deno.test("AWS IoT: with a wrong CA nothing is sent", async () => {
  await using mosquitto = await Mosquitto.start();
  await using certificates = await Certificates.create();
  await using others = await Certificates.create();
  await using front = await TlsFront.start(await certificates.server(), mosquitto.port);
  const thing = {
    endpoint: `localhost:${front.port}`,
    ...await certificates.client(DEVICE),
    clientId: DEVICE,
  };
  await using service = new AwsIotService({ ...QUICK, ...thing, caPath: others.caPath });
  await failing(service, /certificate is not trusted .*AWS_IOT_CA_PATH/);
  assert.equal(await service.publishTelemetry({ secret: 1 }), "buffered");
  await eventually("a few tries", () => front.refused >= 3);
  assert.equal(front.bytes, 0);
  // With the right CA it works, so the CA made the difference.
  await using right = await connected({ ...thing, caPath: certificates.caPath });
  assert.equal(await right.publishTelemetry({ n: 1 }), "published");
  assert.ok(front.bytes > 0);
});

Deno.test("AWS IoT: a server certificate for another name is refused", async () => {
  await using mosquitto = await Mosquitto.start();
  await using certificates = await Certificates.create();
  const server = await certificates.server("server", { names: "DNS:iot.example.org" });
  await using front = await TlsFront.start(server, mosquitto.port);
  await using service = new AwsIotService({
    ...QUICK,
    endpoint: `localhost:${front.port}`,
    ...await certificates.client(DEVICE),
    caPath: certificates.caPath,
    clientId: DEVICE,
  });
  await failing(service, /certificate is not trusted/);
  assert.equal(front.bytes, 0);
});

Deno.test("AWS IoT: large payloads are compressed, marked, and decompressed by the receiver", async () => {
  await using broker = await AwsBroker.start({ commands: true });
  await using subscriber = await broker.subscribe("bombercat/#");
  await using service = await connected(await broker.thing());
  const commands: Command[] = [];
  service.onCommand((command) => void commands.push(command));
  const data = { text: "ñandú ".repeat(10_000) };
  assert.equal(await service.publishTelemetry(data), "published");
  await service.publishCommand("X", JSON.stringify(data));
  await subscriber.waitForMessages(2);
  const [telemetry] = subscriber.messages;
  assert.equal(telemetry!.contentType, "application/gzip");
  assert.ok(telemetry!.bytes.length < 1_000);
  assert.deepEqual(JSON.parse(gunzipSync(telemetry!.bytes).toString()).data, data);
  await eventually("the command", () => commands.length === 1);
  assert.deepEqual(commands[0]!.data, data);
});

Deno.test("AWS IoT: batched telemetry is sent as one message", async () => {
  await using broker = await AwsBroker.start();
  await using subscriber = await broker.subscribe("bombercat/telemetry");
  const batch = { maxMs: 60_000, maxMessages: 20 };
  await using service = await connected({ ...await broker.thing(), batch });
  const receipts = Array.from({ length: 40 }, (_, n) => service.publishTelemetry({ n }));
  assert.deepEqual(new Set(await Promise.all(receipts)), new Set(["published"]));
  const [first] = await subscriber.waitForMessages(2);
  const { device_id, data } = JSON.parse(first!);
  assert.equal(device_id, DEVICE);
  assert.deepEqual(
    data.map((one: { data: unknown }) => one.data),
    Array.from({ length: 20 }, (_, n) => ({ n })),
  );
});

Deno.test("AWS IoT: invalid payloads are refused before sending, and others are not affected", async () => {
  await using broker = await AwsBroker.start();
  await using subscriber = await broker.subscribe("bombercat/#");
  await using service = await connected(await broker.thing());
  await assert.rejects(service.publishTelemetry({ n: NaN }), InvalidPayloadError);
  await assert.rejects(service.publishEvent("", {}), InvalidPayloadError);
  await assert.rejects(service.publishTelemetry({ big: "x".repeat(131_072) }), /larger than/);
  await service.publishTelemetry({ n: 1 });
  assert.equal((await subscriber.waitForMessages(1)).length, 1);
});

Deno.test("AWS IoT: the service refuses to start with unusable files, and names their variables", async () => {
  await using broker = await AwsBroker.start();
  const thing = await broker.thing();
  const expired = await broker.thing("bombercat-old", { days: -1 });
  const service = new AwsIotService({ ...thing, certPath: expired.certPath, caPath: "/nowhere" });
  await assert.rejects(service.start(), (error: Error) => {
    assert.ok(error instanceof AwsIotConfigError);
    assert.deepEqual(error.problems.map(({ name }) => name), [
      "AWS_IOT_CERT_PATH",
      "AWS_IOT_KEY_PATH",
      "AWS_IOT_CA_PATH",
    ]);
    assert.match(error.message, /expired on/);
    return true;
  });
});

Deno.test("AWS IoT: fromEnv() reads the variables and names the missing ones", async () => {
  await using broker = await AwsBroker.start();
  await using subscriber = await broker.subscribe("bombercat/#");
  const thing = await broker.thing();
  const variables: Record<string, string> = {
    AWS_IOT_ENDPOINT: thing.endpoint,
    AWS_IOT_CERT_PATH: thing.certPath,
    AWS_IOT_KEY_PATH: thing.keyPath,
    AWS_IOT_CA_PATH: thing.caPath,
    AWS_IOT_CLIENT_ID: thing.clientId,
    PORT: "this is not read",
  };
  const env = (name: string) => variables[name];
  await using service = AwsIotService.fromEnv({ deviceId: "bombercat-001", env });
  assert.equal(await service.start(), true);
  await service.publishTelemetry({ n: 1 });
  const [payload] = await subscriber.waitForMessages(1);
  assert.match(payload!, /"device_id":"bombercat-001"/);
  delete variables.AWS_IOT_KEY_PATH;
  assert.throws(
    () => AwsIotService.fromEnv({ env }),
    /^AwsIotConfigError: AWS_IOT_KEY_PATH is not set/,
  );
  assert.throws(
    () => AwsIotService.fromEnv({ env: () => undefined }),
    /AWS_IOT_ENDPOINT is not set/,
  );
});
