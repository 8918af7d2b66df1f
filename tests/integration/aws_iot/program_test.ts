import assert from "node:assert/strict";
import { SignJWT } from "jose";
import { DenoKv } from "../../../broker/store/deno_kv.ts";
import { KvBuffer } from "../../../ingest/aws_iot/kv_buffer.ts";
import { AwsBroker, DEVICE } from "../../ingest/aws_iot/aws_broker.ts";
import { eventually } from "../../kit/eventually.ts";
import { SseClient } from "../../kit/clients/sse_client.ts";
import { TcpProxy } from "../../kit/servers/tcp_proxy.ts";
import { Telecast, type TelecastOptions } from "../../kit/servers/telecast.ts";
import { TempDir } from "../../kit/temp_dir.ts";
import { WsClient } from "../../kit/clients/ws_client.ts";

async function variables(broker: AwsBroker, endpoint = broker.endpoint) {
  const thing = await broker.thing();
  return {
    AWS_IOT_ENDPOINT: endpoint,
    AWS_IOT_CERT_PATH: thing.certPath,
    AWS_IOT_KEY_PATH: thing.keyPath,
    AWS_IOT_CA_PATH: thing.caPath,
    AWS_IOT_CLIENT_ID: thing.clientId,
  };
}

async function start(broker: AwsBroker, options: TelecastOptions = {}, endpoint?: string) {
  const env = { ...await variables(broker, endpoint), ...options.env };
  return await Telecast.start({ ...options, env });
}

async function post(telecast: Telecast, path: string, body: unknown, token?: string) {
  const response = await fetch(`${telecast.url}/api/v1/${path}`, {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
    headers: {
      "content-type": "application/json",
      ...(token && { authorization: `Bearer ${token}` }),
    },
  });
  const text = await response.text();
  return {
    status: response.status,
    retryAfter: response.headers.get("retry-after"),
    body: JSON.parse(text),
  };
}

const telemetry = (n: number, device = "bombercat-001") => ({ device_id: device, data: { n } });
const numbersOf = (payloads: readonly string[]) =>
  payloads.map((payload) => JSON.parse(payload).data.n as number);
const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);

Deno.test("AWS IoT: the program names every unusable file at startup and exits with 2", async () => {
  await using broker = await AwsBroker.start();
  const env: Record<string, string> = await variables(broker);
  const other = await broker.thing("bombercat-other");
  const expired = await broker.thing("bombercat-old", { days: -1 });
  const run = async (change: Record<string, string>, args: string[] = []) => {
    const { code, output } = await Telecast.runToEnd({ env: { ...env, ...change }, args });
    for (const path of Object.values(change)) assert.ok(!output.includes(path), output);
    return `${code} ${output}`;
  };
  assert.match(
    await run({ AWS_IOT_CERT_PATH: "/no/such.pem", AWS_IOT_CA_PATH: other.keyPath }),
    /^2 (?=[^]*AWS_IOT_CERT_PATH names a file that does not exist)(?=[^]*AWS_IOT_CA_PATH names a file without a PEM certificate)/,
  );
  assert.match(
    await run({ AWS_IOT_KEY_PATH: other.keyPath }),
    /^2 [^]*AWS_IOT_KEY_PATH names a key that does not belong to the certificate/,
  );
  assert.match(
    await run({ AWS_IOT_CERT_PATH: expired.certPath, AWS_IOT_KEY_PATH: expired.keyPath }, [
      "--check",
    ]),
    /^2 [^]*AWS_IOT_CERT_PATH names a certificate that expired on 20\d\d-/,
  );
  assert.match(await run({}, ["--check"]), /^0 [^]*The configuration is valid/);
});

Deno.test("AWS IoT: telemetry and events are published, answered after the ack, and join the stream", async () => {
  await using broker = await AwsBroker.start();
  await using subscriber = await broker.subscribe("bombercat/#");
  await using telecast = await start(broker);
  await telecast.waitForSource("aws_iot");
  await using stream = await SseClient.open(telecast.sseUrl("device_ids=cat"));
  const answers = [
    await post(
      telecast,
      "iot/telemetry",
      '{\n "device_id": " cat ",\n "data": {"lat": "+20.652472",\n "n": 12345678901234567890, "x": 1.0}}',
    ),
    await post(telecast, "iot/events", { device_id: "cat", event: "hot", metadata: { t: 35.2 } }),
    await post(telecast, "iot/telemetry", telemetry(1, "dog")),
    await post(telecast, "iot/events", { device_id: "cat", event: "bare" }),
  ];
  assert.deepEqual(answers.map(({ status, body }) => [status, body.status]), [
    [200, "published"],
    [200, "published"],
    [200, "published"],
    [200, "published"],
  ]);
  await stream.waitForMessages(3);
  const payloads = await subscriber.waitForMessages(4);
  assert.match(
    payloads[0]!,
    /^{"timestamp":\d+\.\d{3},"device_id":"cat","data":{"lat": "\+20.652472", "n": 12345678901234567890, "x": 1.0}}$/,
  );
  assert.match(payloads[1]!, /"event":"hot","metadata":{"t":35.2}}$/);
  assert.deepEqual(stream.payloads, [payloads[0], payloads[1], payloads[3]]);
  const status = await telecast.json("/api/v1/iot/status");
  assert.equal(status.connection_status, "connected");
  assert.equal(status.connected, true);
  assert.equal(status.reconnect_attempts, 0);
  assert.ok(Math.abs(status.last_publish_ts - Date.now() / 1000) < 10);
  const metrics = await (await fetch(`${telecast.url}/metrics`)).text();
  assert.match(metrics, /telecast_aws_iot_connected 1\n/);
  assert.match(metrics, /telecast_aws_iot_published_total 4\n/);
  assert.match(metrics, /telecast_aws_iot_publish_latency_p50_seconds [\d.]+\n/);
});

Deno.test("AWS IoT: the answer to a bad body says what is wrong, and nothing is sent", async () => {
  await using broker = await AwsBroker.start();
  await using subscriber = await broker.subscribe("bombercat/#");
  await using telecast = await start(broker);
  await telecast.waitForSource("aws_iot");
  const bad: [string, unknown, RegExp][] = [
    ["iot/telemetry", "{", /not JSON/],
    ["iot/telemetry", {}, /device_id.*data/],
    ["iot/telemetry", { device_id: "", data: {} }, /device_id/],
    ["iot/telemetry", { device_id: "a", data: [1] }, /data/],
    ["iot/telemetry", { device_id: "x".repeat(129), data: {} }, /128/],
    ["iot/telemetry", { device_id: "a", data: { big: "x".repeat(60_000) } }, /larger than 60000/],
    ["iot/events", { device_id: "a" }, /event/],
    ["iot/events", { device_id: "a", event: " " }, /event/],
    ["devices/a%23/commands", {}, /device_id/],
    ["devices/a/commands", "[1]", /./],
  ];
  for (const [path, body, detail] of bad) {
    const answer = await post(telecast, path, body);
    assert.equal(answer.status, 400, `${path} ${JSON.stringify(body).slice(0, 80)}`);
    assert.match(answer.body.detail, detail);
  }
  await post(telecast, "iot/telemetry", telemetry(1));
  assert.equal((await subscriber.waitForMessages(1)).length, 1);
});

Deno.test("AWS IoT: a command reaches its device and the clients of that device", async () => {
  await using broker = await AwsBroker.start({ commands: true });
  await using subscriber = await broker.subscribe("bombercat/commands/#");
  await using telecast = await start(broker);
  await telecast.waitForSource("aws_iot");
  await using stream = await SseClient.open(telecast.sseUrl("device_ids=cat"));
  await using socket = await WsClient.open(telecast.wsUrl("device_ids=cat"));
  const answer = await post(telecast, "devices/cat/commands", '{"go": 1.0}');
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.body, {
    status: "published",
    device_id: "cat",
    topic: "bombercat/commands/cat",
  });
  await subscriber.waitForMessages(1);
  assert.equal(subscriber.messages[0]!.topic, "bombercat/commands/cat");
  assert.equal(subscriber.messages[0]!.payload, '{"go": 1.0}');
  await broker.publish("bombercat/commands/dog", '{"go": 2}');
  await broker.publish("bombercat/commands/cat", '{"go": 3, "device_id": "dog"}');
  for (const client of [stream, socket]) {
    await client.waitForMessages(2);
    assert.deepEqual(client.payloads, ['{"go": 1.0}', '{"go": 3, "device_id": "dog"}']);
  }
});

Deno.test("AWS IoT: a command that the policy forbids gets 503 with Retry-After, and a reason", async () => {
  await using broker = await AwsBroker.start();
  await using telecast = await start(broker);
  await telecast.waitForSource("aws_iot");
  const answer = await post(telecast, "devices/cat/commands", {});
  assert.equal(answer.status, 503);
  assert.equal(answer.body.code, "refused_by_aws_iot");
  assert.equal(answer.retryAfter, "60");
  assert.match(telecast.output, /refused the message to bombercat\/commands\/cat/);
});

Deno.test("AWS IoT: tokens need the publish scope and the device, and the admin scope for the status", async () => {
  await using broker = await AwsBroker.start({ commands: true });
  const secret = "s".repeat(32);
  await using telecast = await start(broker, { env: { AUTH_JWT_SECRET: secret } });
  const token = (claims: Record<string, unknown>) =>
    new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).setExpirationTime("1h")
      .sign(new TextEncoder().encode(secret));
  const publisher = await token({ scope: "publish", device_ids: ["cat*"] });
  const viewer = await token({ scope: "stream", device_ids: ["*"] });
  const admin = await token({ scope: "admin" });
  const routes: [string, (id: string) => unknown][] = [
    ["iot/telemetry", (id) => telemetry(1, id)],
    ["iot/events", (id) => ({ device_id: id, event: "e" })],
  ];
  for (const [path, body] of routes) {
    assert.equal((await post(telecast, path, body("cat-1"))).status, 401);
    assert.equal((await post(telecast, path, body("cat-1"), viewer)).status, 403);
    assert.equal((await post(telecast, path, body("dog"), publisher)).status, 403);
    assert.ok((await post(telecast, path, body("cat-1"), publisher)).status < 203);
  }
  assert.equal((await post(telecast, "devices/dog/commands", {}, publisher)).status, 403);
  assert.equal((await post(telecast, "devices/cat-1/commands", {}, viewer)).status, 403);
  assert.ok((await post(telecast, "devices/cat-1/commands", {}, publisher)).status < 203);
  const status = async (bearer: string) => {
    const headers = { authorization: `Bearer ${bearer}` };
    const response = await fetch(`${telecast.url}/api/v1/iot/status`, { headers });
    await response.body?.cancel();
    return response.status;
  };
  assert.deepEqual([await status(publisher), await status(admin)], [403, 200]);
});

Deno.test("AWS IoT: kill -9 of the broker during 1,000 posts: all arrive in order, none is kept twice", async () => {
  await using broker = await AwsBroker.start();
  await using proxy = await TcpProxy.start(broker.mosquitto.tlsPort!);
  await using telecast = await start(broker, {}, `localhost:${proxy.port}`);
  await telecast.waitForSource("aws_iot");
  await using stream = await SseClient.open(telecast.sseUrl("device_ids=bombercat-001"));
  const statuses: number[] = [];
  let seen: number[];
  {
    await using subscriber = await broker.subscribe("bombercat/telemetry");
    const posting = (async () => {
      for (const n of upTo(1000)) {
        statuses.push((await post(telecast, "iot/telemetry", telemetry(n))).status);
      }
    })();
    await subscriber.waitForMessages(150);
    await proxy.refuse();
    await broker.mosquitto.stop("SIGKILL");
    await posting;
    seen = numbersOf(subscriber.payloads);
  }
  assert.deepEqual(new Set(statuses), new Set([200, 202]));
  const kept = await buffered(telecast.cwd);
  assert.deepEqual(kept, upTo(1000).slice(-kept.length), "in the buffer: in order, none twice");
  await broker.mosquitto.start();
  await using subscriber = await broker.subscribe("bombercat/telemetry");
  await proxy.accept();
  await eventually("the last one", () => numbersOf(subscriber.payloads).includes(999), {
    timeoutMs: 40_000,
  });
  seen.push(...numbersOf(subscriber.payloads));
  assert.deepEqual([...new Set(seen)], upTo(1000));
  await stream.waitForMessages(1000);
  assert.deepEqual(numbersOf(stream.payloads), upTo(1000), "each joined the stream once");
  await eventually("an empty buffer", async () => (await buffered(telecast.cwd)).length === 0);
});

/** Reads the buffer as another process would. */
async function buffered(cwd: string): Promise<number[]> {
  const native = await Deno.openKv(`${cwd}/data/telecast.sqlite`);
  try {
    const buffer = new KvBuffer(new DenoKv(() => Promise.resolve(native), { limitMs: 5_000 }));
    const numbers: number[] = [];
    for (let after = 0;;) {
      const page = await buffer.page(after, 500);
      if (page.length === 0) return numbers;
      numbers.push(...numbersOf(page.map(({ message }) => message.payload)));
      after = page.at(-1)!.seq;
    }
  } finally {
    native.close();
  }
}

Deno.test("AWS IoT: buffered messages survive kill -9 of Telecast and are sent once, in order", async () => {
  await using broker = await AwsBroker.start({ down: true });
  await using telecast = await start(broker);
  for (const n of upTo(20)) {
    assert.equal((await post(telecast, "iot/telemetry", telemetry(n))).status, 202);
  }
  const { buffered, connected } = await telecast.json("/api/v1/iot/status");
  assert.deepEqual([buffered, connected], [20, false]);
  await telecast.kill("SIGKILL");
  await broker.mosquitto.start();
  await using subscriber = await broker.subscribe("bombercat/telemetry");
  await telecast.start();
  await using stream = await SseClient.open(telecast.sseUrl("snapshot=1"));
  assert.deepEqual(numbersOf(await subscriber.waitForMessages(20)), upTo(20));
  await eventually(
    "an empty buffer",
    async () => (await telecast.json("/api/v1/iot/status")).buffered === 0,
  );
  assert.equal(subscriber.payloads.length, 20);
  await stream.waitFor(({ data }) => data.includes('"n":19'));
});

for (const mode of ["lease", "shared"]) {
  Deno.test(`AWS IoT: another instance publishes over its own connection, and the owner sends what it buffers (${mode})`, async () => {
    const env = { INGEST_MODE: mode };
    await using broker = await AwsBroker.start();
    await using dir = await TempDir.create();
    await using subscriber = await broker.subscribe("bombercat/telemetry");
    await using owner = await start(broker, { cwd: dir.path, env });
    await owner.waitForSource("aws_iot");
    await using other = await start(broker, { cwd: dir.path, env });
    await using stream = await SseClient.open(owner.sseUrl("device_ids=bombercat-001"));
    const connections = () =>
      [...broker.mosquitto.process.output.matchAll(
        /New client connected from .* as (bombercat-device\S*)/g,
      )]
        .map(([, id]) => id!);
    assert.deepEqual(connections(), [DEVICE], "the other instance connects on demand");
    assert.equal((await other.json("/api/v1/iot/status")).connection_status, "standby");
    for (const n of upTo(10)) {
      assert.equal((await post(other, "iot/telemetry", telemetry(n))).status, 200);
    }
    const { instance } = await other.json("/api/v1/stats");
    assert.deepEqual(connections(), [DEVICE, `${DEVICE}-pub-${instance}`]);
    await broker.mosquitto.stop("SIGKILL");
    await eventually("the loss", async () => !(await other.json("/api/v1/iot/status")).connected);
    for (const n of upTo(20).slice(10)) {
      assert.equal((await post(other, "iot/telemetry", telemetry(n))).status, 202);
    }
    await broker.mosquitto.start();
    await eventually("an empty buffer", async () => (await buffered(dir.path)).length === 0, {
      timeoutMs: 20_000,
    });
    await stream.waitForMessages(20);
    assert.deepEqual(numbersOf(stream.payloads), upTo(20));
    assert.deepEqual(numbersOf(subscriber.payloads).slice(0, 10), upTo(10));
    // The other instance takes over, with the deployment's client id.
    await owner.kill("SIGKILL");
    await other.waitForSource("aws_iot");
    assert.equal((await post(other, "iot/telemetry", telemetry(20))).status, 200);
    assert.ok(connections().slice(2).includes(DEVICE));
    await eventually(
      "the end of the publish-only connection",
      () =>
        broker.mosquitto.process.output.includes(`Client ${DEVICE}-pub-${instance} disconnected`),
    );
  });
}

Deno.test("AWS IoT: a broker that is down degrades readiness, and the program keeps serving", async () => {
  await using broker = await AwsBroker.start({ down: true });
  await using telecast = await start(broker);
  const ready = () => telecast.json("/readyz");
  await eventually("degraded", async () => JSON.stringify(await ready()).includes("aws_iot"));
  await broker.mosquitto.start();
  await eventually("ready", async () =>
    (await ready()).status === "ok" ||
    !JSON.stringify(await ready()).includes("aws_iot"), { timeoutMs: 20_000 });
});
