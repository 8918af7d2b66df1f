/** Every variable that the program reads, and its form. */

import { z } from "zod";
import { brokerUrl, hostAndPort, isTopicFilter, kafkaTopicProblem } from "./config_formats.ts";

const words = (value: string) => value.split(",").map((word) => word.trim()).filter(Boolean);
const text = () => z.string().trim();
/** Joined by commas. */
const list = () =>
  text().transform(words).refine((all) => all.length > 0, "holds nothing but commas");

function whole(min: number, max: number) {
  const message = `must be a whole number from ${min} to ${max}`;
  return text().regex(/^\d{1,15}$/, message).transform(Number)
    .refine((value) => value >= min && value <= max, message);
}

const flag = () =>
  text().toLowerCase().pipe(
    z.enum(["true", "false", "1", "0", "yes", "no"], { error: "must be true or false" }),
  ).transform((word) => word === "true" || word === "1" || word === "yes");

function url(...schemes: string[]) {
  const message = `must be a URL that starts with ${schemes.map((s) => `${s}://`).join(" or ")}`;
  return text().refine((value) => {
    const parsed = URL.parse(value);
    return parsed !== null && schemes.includes(parsed.protocol.slice(0, -1));
  }, message);
}

/** Where to listen; an IPv6 address with or without brackets. */
const host = () =>
  text().regex(
    /^([^\s:/@[\]]+|[0-9a-fA-F]*:[0-9a-fA-F.]*:[0-9a-fA-F:.]*|\[[0-9a-fA-F:.]+\])$/,
    "must be a host name or an IP address, without a port: that is PORT",
  ).transform((value) => value.replace(/^\[(.*)\]$/, "$1"));

const topics = () =>
  list().refine((all) => all.every(isTopicFilter), {
    error:
      "holds a topic filter that MQTT does not allow: # may only be the last level, + a whole one",
  });

const kafkaTopics = () =>
  list().superRefine((all, context) => {
    for (const topic of all) {
      const wrong = kafkaTopicProblem(topic);
      if (wrong) context.addIssue(wrong);
    }
  });

const seconds = (min = 1) => whole(min, 31_536_000);

const LEVELS = ["debug", "info", "warning", "error", "fatal"] as const;
export type LogLevel = (typeof LEVELS)[number];
const LEVEL_NAMES: Record<string, LogLevel> = {
  trace: "debug",
  debug: "debug",
  info: "info",
  warn: "warning",
  warning: "warning",
  error: "error",
  critical: "fatal",
  fatal: "fatal",
};

/** `*`, or origins as browsers send them: scheme and host, without a path. */
const origins = () =>
  list().transform((all, context) =>
    all.map((value) => {
      if (value === "*" || value === "null") return value;
      const url = URL.parse(value);
      const isOrigin = url?.pathname === "/" && url.search === "" && url.hash === "" &&
        url.username === "" && url.origin !== "null";
      if (!isOrigin) context.addIssue("must be * or origins such as https://app.example.com");
      return url?.origin ?? "";
    })
  );

const recipients = () =>
  text().transform((value, context) => {
    try {
      return z.record(z.string(), z.array(z.string().regex(/^\+?\d{6,15}$/))).parse(
        JSON.parse(value),
      );
    } catch {
      context.addIssue('must be JSON such as {"cota":["573001112233"],"*":[]}: numbers by company');
      return z.NEVER;
    }
  });

/** Every variable that the program reads, with its form. A variable that is empty is unset. */
export const VARIABLES = {
  HOST: host().default("127.0.0.1"),
  PORT: whole(0, 65_535).default(8000),
  BROKER_HOST: text().transform(brokerUrl).optional(),
  MQTT_BROKER: text().transform(brokerUrl).optional(),
  MQTT_PORT: whole(1, 65_535).optional(),
  BROKER_TOPIC: topics().optional(),
  MQTT_USERNAME: z.string().optional(),
  MQTT_PASSWORD: z.string().optional(),
  MQTT_CA_PATH: text().optional(),
  MQTT_CLIENT_ID: text().max(256, "must be at most 256 characters long").optional(),
  MQTT_QOS: whole(0, 2).default(1),
  KAFKA_BOOTSTRAP_SERVERS: list().transform((all, context) =>
    all.map((server) => hostAndPort(server, 9092, context))
  ).optional(),
  KAFKA_TOPIC: kafkaTopics().optional(),
  KAFKA_GROUP_ID: text().default("telecast"),
  KAFKA_AUTO_OFFSET_RESET: text().toLowerCase().pipe(
    z.enum(["latest", "earliest"], { error: "must be latest or earliest" }),
  ).default("latest"),
  KAFKA_USERNAME: z.string().optional(),
  KAFKA_PASSWORD: z.string().optional(),
  KAFKA_SASL_MECHANISM: text().toLowerCase().pipe(
    z.enum(["plain", "scram-sha-256", "scram-sha-512"], {
      error: "must be plain, scram-sha-256 or scram-sha-512",
    }),
  ).optional(),
  KAFKA_SSL: flag().optional(),
  KAFKA_CA_PATH: text().optional(),
  KAFKA_CERT_PATH: text().optional(),
  KAFKA_KEY_PATH: text().optional(),
  AWS_IOT_ENDPOINT: text().transform((value, context) => hostAndPort(value, 8883, context))
    .optional(),
  AWS_IOT_CERT_PATH: text().optional(),
  AWS_IOT_KEY_PATH: text().optional(),
  AWS_IOT_CA_PATH: text().optional(),
  AWS_IOT_CLIENT_ID: text().max(128, "must be at most 128 characters long").optional(),
  AWS_IOT_DEVICE_ID: text().max(128, "must be at most 128 characters long").optional(),
  AWS_IOT_TOPICS: topics().default(["bombercat/commands/#"]),
  COMMAND_TOPIC_PREFIX: text().regex(/^[^#+\0]{1,200}$/, "must be a topic without # and +")
    // An id is a level of its own, also where the slash was left out.
    .transform((prefix) => prefix.endsWith("/") ? prefix : `${prefix}/`)
    .default("bombercat/commands/"),
  WEBSOCKET_URL: url("ws", "wss").optional(),
  BACKEND_URL: url("http", "https").optional(),
  WHATSAPP_API_URL: url("http", "https").optional(),
  WHATSAPP_TOKEN: text().optional(),
  WHATSAPP_RECIPIENTS: recipients().optional(),
  INGEST_MODE: text().toLowerCase().pipe(
    z.enum(["lease", "shared", "all"], { error: "must be lease, shared or all" }),
  ).default("lease"),
  DENO_KV_URL: text().refine(
    (value) => !value.includes("://") || /^https?:\/\/[^/]/.test(value),
    "must be the path of a file, the URL of a denokv server (http://, https://) or memory:",
  ).optional(),
  DENO_KV_ACCESS_TOKEN: text().optional(),
  RETENTION_SECONDS: seconds().default(300),
  DRAIN_SECONDS: whole(0, 3600).default(5),
  KEEPALIVE_SECONDS: seconds().default(60),
  STALE_SECONDS: seconds().default(300),
  MAX_DEVICE_IDS: whole(1, 100_000).default(500),
  MAX_MESSAGE_BYTES: whole(2, 60_000).default(60_000),
  QUEUE_MAX_PER_DEVICE: whole(1, 1_000_000).default(100),
  QUEUE_MAX_BYTES: whole(65_536, 4_294_967_296).default(16_777_216),
  WS_REQUIRE_DEVICE_IDS: flag().optional(),
  DEVICE_ID_PATH: text().regex(/^[^.]+(\.[^.]+)*$/, "must be field names joined by dots")
    .optional(),
  STATSD_HOST: text().transform((value, context) => hostAndPort(value, 8125, context)).optional(),
  LOG_LEVEL: text().toLowerCase().refine((name) => Object.hasOwn(LEVEL_NAMES, name), {
    error: "must be debug, info, warning, error or critical",
  }).transform((name) => LEVEL_NAMES[name]!).default("info"),
  LOG_FORMAT: text().toLowerCase().pipe(
    z.enum(["json", "text"], { error: "must be json or text" }),
  ).optional(),
  LOG_FILE: text().optional(),
  CORS_ORIGINS: origins().default(["*"]),
  MAX_CONNECTIONS: whole(1, 10_000_000).default(20_000),
  MAX_CONNECTIONS_PER_IP: whole(1, 10_000_000).optional(),
  MAX_CONNECTIONS_PER_TOKEN: whole(1, 10_000_000).optional(),
  MAX_NEW_CONNECTIONS_PER_SECOND: whole(1, 1_000_000).default(2_000),
  MAX_COMMANDS_PER_SECOND: whole(1, 1_000_000).default(100),
  MAX_POSTS_PER_SECOND: whole(1, 1_000_000).default(1_000),
  MAX_BODY_BYTES: whole(1_024, 67_108_864).default(262_144),
  MAX_URL_BYTES: whole(1_024, 65_000).default(65_000),
  MAX_HEADER_BYTES: whole(1_024, 65_536).default(32_768),
  CONNECTION_GUARD: flag().default(false),
  CONNECTION_HANDSHAKE_SECONDS: seconds().default(10),
  CONNECTION_IDLE_SECONDS: seconds().default(75),
  CONNECTION_WRITE_SECONDS: seconds().default(60),
  TRUST_PROXY: flag().default(false),
  AUTH_JWT_SECRET: z.string().optional(),
  AUTH_JWKS_URL: url("https", "http").optional(),
  AUTH_AUDIENCE: text().optional(),
  AUTH_ISSUER: text().optional(),
  AUTH_CLOCK_SKEW_SECONDS: whole(0, 3600).default(5),
  TLS_CERT_PATH: text().optional(),
  TLS_KEY_PATH: text().optional(),
  MAP_TILES_URL: url("https", "http").optional(),
  WEB_CONCURRENCY: whole(1, 256).default(1),
};

export const VARIABLE_NAMES = Object.keys(VARIABLES) as readonly (keyof typeof VARIABLES)[];

/** All of them together. */
export const VARIABLES_SCHEMA = z.object(VARIABLES);
export type Variables = z.infer<typeof VARIABLES_SCHEMA>;
