import assert from "node:assert/strict";
import { sectionOf } from "../../config/source_declaration.ts";
import { unknownVariables, unusedVariables } from "../../config/unknown.ts";
import { helpOf } from "../../config/help.ts";
import { KAFKA } from "../../ingest/kafka/kind.ts";
import { MQTT } from "../../ingest/mqtt/kind.ts";
import { SOURCES } from "../../ingest/sources.ts";
import { WEBSOCKET } from "../../ingest/websocket/kind.ts";
import { readVariables, VARIABLE_NAMES } from "../kit/config.ts";
import { bad, good, KAFKA_ENV, read, type Variables } from "./read.ts";

const mqtt = (env: Variables) => sectionOf(good(env), MQTT);
const kafka = (env: Variables) => sectionOf(good(env), KAFKA);
const websocket = (env: Variables) => sectionOf(good(env), WEBSOCKET);

Deno.test("--help names every variable, and no others", () => {
  const named = helpOf(SOURCES).match(/\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b|\b(?:HOST|PORT)\b/g) ?? [];
  assert.deepEqual(
    [...new Set(named)].filter((name) => name !== "NO_COLOR").toSorted(),
    VARIABLE_NAMES.toSorted(),
  );
  for (const line of helpOf(SOURCES).split("\n")) assert.ok(line.length <= 100, line);
});

Deno.test("unknownVariables() finds names that differ in one or two letters, and no others", () => {
  const slips = ["BROKER_HOTS", "PROT_", "MQTT_USERNAM", "KAFKA_TOPICS", "POR", "LOGLEVEL"];
  assert.deepEqual(unknownVariables(slips, SOURCES).map(({ like }) => like), [
    "BROKER_HOST",
    "MQTT_USERNAME",
    "KAFKA_TOPIC",
    "PORT",
    "LOG_LEVEL",
  ]);
  const others = ["PATH", "HOME", "HOSTNAME", "TERM", "SHELL", "USER", "DENO_DIR", "NO_COLOR"];
  assert.deepEqual(unknownVariables([...others, ...VARIABLE_NAMES], SOURCES), []);
});

Deno.test("unusedVariables() finds the topics of a broker that is not set", () => {
  assert.deepEqual(
    unusedVariables(["KAFKA_TOPIC", "BROKER_TOPIC", "PORT"], SOURCES).map(({ name }) => name),
    ["BROKER_TOPIC", "KAFKA_TOPIC"],
  );
  const used = ["KAFKA_TOPIC", "KAFKA_BOOTSTRAP_SERVERS", "BROKER_TOPIC", "MQTT_BROKER"];
  assert.deepEqual(unusedVariables(used, SOURCES), []);
});

Deno.test("readConfig(): everything is optional, with the defaults of the contract", () => {
  const config = good();
  const { host, port, http, ingestMode, retentionSeconds, drainSeconds, keepaliveSeconds } = config;
  assert.deepEqual(
    [host, port, http, ingestMode, retentionSeconds, drainSeconds, keepaliveSeconds],
    ["127.0.0.1", 8000, true, "lease", 300, 5, 60],
  );
  const { staleSeconds, maxDeviceIds, maxMessageBytes, queueMaxPerDevice, queueMaxBytes } = config;
  assert.deepEqual(
    [staleSeconds, maxDeviceIds, maxMessageBytes, queueMaxPerDevice, queueMaxBytes],
    [300, 500, 60_000, 100, 16_777_216],
  );
  const { corsOrigins, maxConnections, maxConnectionsPerIp, trustProxy, requireDeviceIds } = config;
  assert.deepEqual(
    [corsOrigins, maxConnections, maxConnectionsPerIp, trustProxy, requireDeviceIds],
    [["*"], 20_000, undefined, false, true],
  );
  assert.deepEqual(
    [config.sources.size, config.backendUrl],
    [0, undefined],
  );
  assert.deepEqual([config.whatsapp, config.auth, config.tls, config.statsd, config.deviceIdPath], [
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  assert.deepEqual(config.log, { level: "info", format: undefined, file: undefined });
  assert.deepEqual([config.commandTopicPrefix, config.threads], ["bombercat/commands/", 1]);
});

Deno.test("readConfig(): an empty or blank variable counts as unset", () => {
  for (const blank of ["", "  ", "\n"]) {
    const env = Object.fromEntries(VARIABLE_NAMES.map((name) => [name, blank]));
    assert.deepEqual(good(env), good());
  }
});

Deno.test("BROKER_HOST: host, host:port and URLs, with credentials in the URL or in other variables", () => {
  const cases: Record<string, string> = {
    "broker": "mqtt://broker",
    " broker:1884 ": "mqtt://broker:1884",
    "10.0.0.1": "mqtt://10.0.0.1",
    "[::1]:1885": "mqtt://[::1]:1885",
    "mqtts://b:8883": "mqtts://b:8883",
    "ws://b/mqtt": "ws://b/mqtt",
    "wss://b:443/x?y=1": "wss://b/x?y=1",
  };
  for (const [value, url] of Object.entries(cases)) {
    assert.equal(mqtt({ BROKER_HOST: value })?.url, url, value);
  }
  const inside = mqtt({ BROKER_HOST: "mqtt://us%20er:p%40ss@b" })!;
  assert.deepEqual([inside.url, inside.username, inside.password], ["mqtt://b", "us er", "p@ss"]);
  const beside = mqtt({
    BROKER_HOST: "mqtt://other:secret@b",
    MQTT_USERNAME: "u",
    MQTT_PASSWORD: " p ",
  })!;
  assert.deepEqual([beside.username, beside.password], ["u", " p "]);
  assert.equal(mqtt({ BROKER_HOST: "mqtt://u:p,q@b" })?.password, "p,q");
  const wrong = [
    ...["http://b", "a b", "b:port", "b:99999", "b:0", "b,c", "mqtt://", "://", "mqtt://u:%zz@b"],
  ];
  for (const value of wrong) assert.deepEqual(bad({ BROKER_HOST: value }), ["BROKER_HOST"], value);
});

Deno.test("BROKER_TOPIC: several, trimmed; the default depends on the variable that names the broker", () => {
  assert.deepEqual(mqtt({ BROKER_HOST: "b" })?.topics, ["#"]);
  assert.deepEqual(mqtt({ MQTT_BROKER: "b" })?.topics, ["empresas"]);
  const topics = mqtt({ MQTT_BROKER: "b", BROKER_TOPIC: " a/#, b/+/c ,+,," })?.topics;
  assert.deepEqual(topics, ["a/#", "b/+/c", "+"]);
  for (const value of ["a/#/b", "a#", "a+/b", "ok,#a"]) {
    assert.deepEqual(bad({ BROKER_HOST: "b", BROKER_TOPIC: value }), ["BROKER_TOPIC"], value);
  }
});

Deno.test("MQTT_BROKER and MQTT_PORT mean the same as BROKER_HOST", () => {
  assert.equal(mqtt({ MQTT_BROKER: "b", MQTT_PORT: "1884" })?.url, "mqtt://b:1884");
  assert.equal(mqtt({ BROKER_HOST: "b", MQTT_PORT: "1884" })?.url, "mqtt://b:1884");
  assert.equal(mqtt({ MQTT_BROKER: "b:1884", MQTT_PORT: "1884" })?.url, "mqtt://b:1884");
  assert.deepEqual(bad({ MQTT_BROKER: "b:1883", MQTT_PORT: "1884" }), ["MQTT_PORT"]);
  assert.deepEqual(bad({ MQTT_BROKER: "b", BROKER_HOST: "b" }), ["MQTT_BROKER"]);
  assert.deepEqual(bad({ BROKER_HOST: "b", MQTT_PASSWORD: "p" }), ["MQTT_USERNAME"]);
});

Deno.test("Kafka: servers, mechanism, encryption; tracking/data is refused, with the legal name", () => {
  const config = kafka({
    ...KAFKA_ENV,
    KAFKA_BOOTSTRAP_SERVERS: "a, b:9093",
    KAFKA_AUTO_OFFSET_RESET: "Earliest",
    KAFKA_USERNAME: "u",
    KAFKA_PASSWORD: "p",
  });
  assert.deepEqual(
    [config?.servers, config?.topics, config?.groupId, config?.fromBeginning],
    [["a:9092", "b:9093"], ["t"], "telecast", true],
  );
  assert.deepEqual(config?.sasl, { mechanism: "plain", username: "u", password: "p" });
  assert.equal(kafka({ ...KAFKA_ENV, KAFKA_CA_PATH: "ca.pem" })?.ssl, true);
  assert.equal(kafka({ ...KAFKA_ENV, KAFKA_SSL: "FALSE", KAFKA_CA_PATH: "ca.pem" })?.ssl, false);
  const seed = read({ ...KAFKA_ENV, KAFKA_TOPIC: "tracking/data" });
  assert.ok(!seed.ok);
  assert.equal(seed.problems[0]!.name, "KAFKA_TOPIC");
  assert.match(seed.problems[0]!.message, /tracking\.data/);
  assert.deepEqual(bad({ KAFKA_TOPIC: "tracking/data" }), ["KAFKA_TOPIC"], "without servers too");
  assert.deepEqual(bad({ KAFKA_BOOTSTRAP_SERVERS: "k" }), ["KAFKA_TOPIC"]);
  assert.deepEqual(bad({ ...KAFKA_ENV, KAFKA_USERNAME: "u" }), ["KAFKA_PASSWORD"]);
  assert.deepEqual(bad({ ...KAFKA_ENV, KAFKA_PASSWORD: "p" }), ["KAFKA_USERNAME"]);
  assert.deepEqual(bad({ ...KAFKA_ENV, KAFKA_SASL_MECHANISM: "plain" }), ["KAFKA_SASL_MECHANISM"]);
});

Deno.test("COMMAND_TOPIC_PREFIX: a topic followed by the id, with or without a slash at its end", () => {
  for (const prefix of ["fleet/down", "fleet/down/", " fleet/down "]) {
    assert.equal(good({ COMMAND_TOPIC_PREFIX: prefix }).commandTopicPrefix, "fleet/down/");
  }
  for (const prefix of ["fleet/#", "fleet/+/"]) {
    assert.deepEqual(bad({ COMMAND_TOPIC_PREFIX: prefix }), ["COMMAND_TOPIC_PREFIX"], prefix);
  }
});

Deno.test("DENO_KV_URL: a path, a denokv server's URL or memory:, and no other URL", () => {
  for (const url of ["data/x.sqlite", "memory:", "http://kv:4512", "https://kv/path"]) {
    assert.equal(good({ DENO_KV_URL: ` ${url} ` }).kv.url, url);
  }
  for (const url of ["redis://r:6379", "file:///data/x", "http://", "kv://x"]) {
    assert.deepEqual(bad({ DENO_KV_URL: url }), ["DENO_KV_URL"], url);
  }
});

Deno.test("an empty list is a problem, and does not silently disable a source", () => {
  assert.deepEqual(bad({ BROKER_HOST: "b", BROKER_TOPIC: "," }), ["BROKER_TOPIC"]);
  assert.deepEqual(bad({ ...KAFKA_ENV, KAFKA_BOOTSTRAP_SERVERS: " , " }), [
    "KAFKA_BOOTSTRAP_SERVERS",
  ]);
  assert.deepEqual(bad({ ...KAFKA_ENV, KAFKA_TOPIC: ",," }), ["KAFKA_TOPIC"]);
  assert.deepEqual(bad({ AWS_IOT_TOPICS: "," }), ["AWS_IOT_TOPICS"]);
});

Deno.test("AWS IoT: all five or none; the missing ones are named", () => {
  assert.deepEqual(bad({ AWS_IOT_ENDPOINT: "h", AWS_IOT_CA_PATH: "ca" }), [
    "AWS_IOT_CERT_PATH",
    "AWS_IOT_KEY_PATH",
    "AWS_IOT_CLIENT_ID",
  ]);
});

Deno.test("BACKEND_URL must not be the address of this program itself", () => {
  const own = [
    ...["http://localhost:8000", "http://127.0.0.1:8000/x", "http://[::1]:8000"],
    ...["http://localhost.:8000", "http://127.0.1.1:8000", "http://[::]:8000", "http://0:8000"],
  ];
  for (const url of own) assert.deepEqual(bad({ BACKEND_URL: url }), ["BACKEND_URL"], url);
  assert.deepEqual(bad({ BACKEND_URL: "http://localhost", PORT: "80" }), ["BACKEND_URL"]);
  for (const [HOST, named] of Object.entries({ Me: "me", "fe80::1": "[fe80::1]" })) {
    assert.deepEqual(bad({ BACKEND_URL: `http://${named}:8000`, HOST }), ["BACKEND_URL"], HOST);
  }
  assert.equal(
    good({ BACKEND_URL: "http://localhost:8000", PORT: "8001" }).backendUrl,
    "http://localhost:8000",
  );
  assert.ok(good({ BACKEND_URL: "http://backend:8000" }).backendUrl);
  assert.ok(good({ BACKEND_URL: "http://localhost:8000" }, "--no-http").backendUrl);
});

Deno.test("WEBSOCKET_URL must not be this program itself: messages would loop", () => {
  const own = ["ws://localhost:8000/ws", "ws://127.0.0.1:8000/api/v1/stream"];
  for (const url of own) assert.deepEqual(bad({ WEBSOCKET_URL: url }), ["WEBSOCKET_URL"], url);
  assert.deepEqual(bad({ WEBSOCKET_URL: "wss://me", PORT: "443", HOST: "me" }), ["WEBSOCKET_URL"]);
  assert.ok(websocket({ WEBSOCKET_URL: "ws://localhost:8080/ws" }));
});

Deno.test("WhatsApp, tokens and TLS: variables that belong together are required together", () => {
  const { whatsapp } = good({
    WHATSAPP_API_URL: "https://w",
    WHATSAPP_TOKEN: "t",
    WHATSAPP_RECIPIENTS: '{"cota":["573001112233"],"*":[]}',
  });
  assert.deepEqual(whatsapp?.recipients, { cota: ["573001112233"], "*": [] });
  assert.deepEqual(bad({ WHATSAPP_TOKEN: "t" }), ["WHATSAPP_API_URL"]);
  const odd = '{"__proto__":["573001112233"],"constructor":[]}';
  const named = good({
    WHATSAPP_API_URL: "https://w",
    WHATSAPP_TOKEN: "t",
    WHATSAPP_RECIPIENTS: odd,
  });
  assert.equal(JSON.stringify(named.whatsapp?.recipients), odd);
  for (const value of ["{", "[]", "1", "null", '{"a":"1"}', '{"a":["x"]}']) {
    assert.deepEqual(bad({ WHATSAPP_RECIPIENTS: value }), ["WHATSAPP_RECIPIENTS"]);
  }
  assert.deepEqual(bad({ AUTH_JWT_SECRET: "s", AUTH_JWKS_URL: "https://k" }), ["AUTH_JWKS_URL"]);
  for (const secret of ["s", "x".repeat(31), "ñ".repeat(15)]) {
    const result = readVariables({ AUTH_JWT_SECRET: secret });
    assert.ok(!result.ok);
    const [{ name, message }] = result.problems as [{ name: string; message: string }];
    assert.equal(name, "AUTH_JWT_SECRET");
    assert.match(message, /32 bytes.*openssl rand -base64 32/);
    assert.ok(!JSON.stringify(result).includes(`"${secret}"`), "its value is not reported");
  }
  for (const secret of ["x".repeat(32), "ñ".repeat(16)]) {
    assert.equal(good({ AUTH_JWT_SECRET: secret }).auth?.secret, secret);
  }
  assert.deepEqual(bad({ AUTH_ISSUER: "i", AUTH_AUDIENCE: "a" }), ["AUTH_AUDIENCE", "AUTH_ISSUER"]);
  assert.deepEqual(bad({ TLS_CERT_PATH: "c" }), ["TLS_KEY_PATH"]);
});

Deno.test("LOG_LEVEL accepts any case, and the names of the seed systems", () => {
  const levels = { DEBUG: "debug", Info: "info", warning: "warning", WARN: "warning" };
  for (const [value, level] of Object.entries({ ...levels, error: "error", critical: "fatal" })) {
    assert.equal(good({ LOG_LEVEL: value }).log.level, level);
  }
  assert.deepEqual(bad({ LOG_LEVEL: "loud", LOG_FORMAT: "xml" }), ["LOG_LEVEL", "LOG_FORMAT"]);
});
