import assert from "node:assert/strict";
import { configTable } from "../../config/table.ts";
import { KAFKA } from "../../ingest/kafka/kind.ts";
import { MQTT } from "../../ingest/mqtt/kind.ts";
import { SOURCES } from "../../ingest/sources.ts";
import { WEBSOCKET } from "../../ingest/websocket/kind.ts";
import { VARIABLE_NAMES } from "../kit/config.ts";
import { bad, good, KAFKA_ENV, read } from "./read.ts";

Deno.test("numbers, flags and addresses: malformed and out-of-range values are reported", () => {
  const wrong: Record<string, readonly string[]> = {
    PORT: ["-1", "65536", "80.5", "http", "0x50", "1e3"],
    HOST: ["http://0.0.0.0", "0.0.0.0:8000", "a b"],
    MQTT_QOS: ["3"],
    RETENTION_SECONDS: ["0", "-5", "forever"],
    KEEPALIVE_SECONDS: ["0"],
    DRAIN_SECONDS: ["-1"],
    MAX_MESSAGE_BYTES: ["60001", "1"],
    MAX_CONNECTIONS: ["0"],
    QUEUE_MAX_PER_DEVICE: ["0"],
    WS_REQUIRE_DEVICE_IDS: ["maybe"],
    TRUST_PROXY: ["10.0.0.1"],
    INGEST_MODE: ["none"],
    DEVICE_ID_PATH: ["a..b", ".a", "a."],
    STATSD_HOST: ["a b", "h:0", "udp://h:1"],
    CORS_ORIGINS: ["app.example.com", "https://a/b", "https://a,nonsense"],
    WEBSOCKET_URL: ["http://h"],
  };
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) assert.deepEqual(bad({ [name]: value }), [name], value);
  }
  assert.deepEqual(good({ STATSD_HOST: "[::1]:9" }).statsd, { host: "[::1]", port: 9 });
  assert.deepEqual(good({ STATSD_HOST: "statsd" }).statsd, { host: "statsd", port: 8125 });
  assert.equal(good({ HOST: "[::]" }).host, "::");
  assert.deepEqual(good({ DEVICE_ID_PATH: "a.b" }).deviceIdPath, ["a", "b"]);
  assert.equal(good({ WS_REQUIRE_DEVICE_IDS: "No" }).requireDeviceIds, false);
});

Deno.test("flags start only their sources, and require their variables", () => {
  const all = { BROKER_HOST: "b", WEBSOCKET_URL: "ws://u", ...KAFKA_ENV };
  const sources = (...args: string[]) => {
    const { sources } = good(all, ...args);
    return [MQTT, KAFKA, WEBSOCKET].map(({ name }) => sources.has(name));
  };
  assert.deepEqual(sources(), [true, true, true]);
  assert.deepEqual(sources("--mqtt"), [true, false, false]);
  assert.deepEqual(sources("--kafka"), [false, true, false]);
  assert.deepEqual(sources("--both"), [true, false, true]);
  assert.deepEqual(sources("--websocket", "--kafka"), [false, true, true]);
  assert.deepEqual(bad({}, "--mqtt", "--kafka"), ["--mqtt", "--kafka"]);
  assert.deepEqual(bad({}, "--both"), ["--mqtt", "--websocket"]);
  assert.deepEqual(bad({}, "--nonsense=secret", "extra"), ["--nonsense", "an argument"]);
  const { http, check, shadow, dev } = good({}, "--no-http", "--check", "--shadow", "--dev");
  assert.deepEqual([http, check, shadow, dev], [false, true, true, true]);
});

Deno.test("all problems are reported at once, without their values", () => {
  const secret = "s3cr3t value%zz\u0000{}";
  const env = Object.fromEntries(VARIABLE_NAMES.map((name) => [name, secret]));
  const result = read({ ...env, KAFKA_TOPIC: "t" }, "--unknown=s3cr3t");
  assert.ok(!result.ok);
  assert.ok(result.problems.length > 25, `${result.problems.length}`);
  for (const { name, message } of result.problems) {
    assert.match(name, /^[A-Z][A-Z0-9_]+$|^--[a-z-]+$/);
    assert.doesNotMatch(`${name} ${message}`, /s3cr3t/);
    assert.match(message, /^(must|is|and|holds|contains|needs|names|differs|means) /);
  }
  // A value that does not parse does not hide variables that do not fit together.
  const names = bad({ PORT: "x", MQTT_BROKER: "b", BROKER_HOST: "b", TLS_KEY_PATH: "k" }, "--iot");
  assert.deepEqual(names, ["PORT", "MQTT_BROKER", "--iot", "TLS_CERT_PATH"]);
  assert.deepEqual(
    bad({ KAFKA_BOOTSTRAP_SERVERS: "a:x,b:y", KAFKA_TOPIC: "tracking/data", KAFKA_USERNAME: "u" }),
    ["KAFKA_BOOTSTRAP_SERVERS", "KAFKA_TOPIC", "KAFKA_PASSWORD"],
  );
});

Deno.test("a malformed value is not reported as missing too", () => {
  const awsIot = ["CERT_PATH", "KEY_PATH", "CA_PATH", "CLIENT_ID"].map((name) => [
    `AWS_IOT_${name}`,
    "x",
  ]);
  const env = { ...Object.fromEntries(awsIot), AWS_IOT_ENDPOINT: "https://h" };
  assert.deepEqual(bad(env), ["AWS_IOT_ENDPOINT"]);
  const whatsapp = { WHATSAPP_API_URL: "graph.facebook.com", WHATSAPP_TOKEN: "t" };
  assert.deepEqual(bad(whatsapp), ["WHATSAPP_API_URL"]);
  assert.deepEqual(bad({ AUTH_JWKS_URL: "keys", AUTH_ISSUER: "i" }), ["AUTH_JWKS_URL"]);
});

Deno.test("configTable() shows all values except secrets, including limits named like secrets", () => {
  const env = Object.fromEntries(VARIABLE_NAMES.map((name) => [name, "77"]));
  const table = configTable((name) => env[name], { sources: SOURCES, args: [] });
  const hidden = [...table.matchAll(/^(\w+) +set +environment$/gm)].map(([, name]) => name!);
  assert.deepEqual(hidden.toSorted(), [
    "AUTH_JWT_SECRET",
    "DENO_KV_ACCESS_TOKEN",
    "KAFKA_PASSWORD",
    "MQTT_PASSWORD",
    "WHATSAPP_RECIPIENTS",
    "WHATSAPP_TOKEN",
  ]);
  assert.match(table, /^MAX_CONNECTIONS_PER_TOKEN +77 +environment$/m);
});
