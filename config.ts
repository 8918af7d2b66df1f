/** The configuration: read once, from the environment and the command line, whole. */

import { z } from "zod";
import {
  brokerUrl,
  CLI_FLAGS,
  hostAndPort,
  isTopicFilter,
  kafkaTopicProblem,
} from "./config_formats.ts";
import { certificateProblems } from "./ingest/aws_iot/certificates.ts";

/** Reads one environment variable; undefined where it is not set. */
export type Env = (name: string) => string | undefined;

/** One thing that is wrong, named by its variable or flag, never with its value. */
export interface Problem {
  readonly name: string;
  readonly message: string;
}

export type ConfigResult =
  | { readonly ok: true; readonly config: Config; readonly set: readonly string[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

const words = (value: string) => value.split(",").map((word) => word.trim()).filter(Boolean);
const text = () => z.string().trim();
const list = () => text().transform(words);

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

const topics = () =>
  list().refine((all) => all.every(isTopicFilter), {
    error:
      "holds a topic filter that MQTT does not allow: # may only be the last level, + a whole one",
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
  HOST: text().default("127.0.0.1"),
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
  KAFKA_TOPIC: list().optional(),
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
  COMMAND_TOPIC_PREFIX: text().default("bombercat/commands/"),
  WEBSOCKET_URL: url("ws", "wss").optional(),
  BACKEND_URL: url("http", "https").optional(),
  WHATSAPP_API_URL: url("http", "https").optional(),
  WHATSAPP_TOKEN: text().optional(),
  WHATSAPP_RECIPIENTS: recipients().optional(),
  INGEST_MODE: text().toLowerCase().pipe(
    z.enum(["lease", "shared", "all"], { error: "must be lease, shared or all" }),
  ).default("lease"),
  DENO_KV_URL: text().optional(),
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

const schema = z.object(VARIABLES);
type Variables = z.infer<typeof schema>;

export interface MqttConfig {
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://`, without credentials. */
  readonly url: string;
  readonly topics: readonly string[];
  readonly qos: 0 | 1 | 2;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly caPath: string | undefined;
  /** Undefined: made from the deployment's id. */
  readonly clientId: string | undefined;
}

export interface KafkaConfig {
  readonly servers: readonly string[];
  readonly topics: readonly string[];
  readonly groupId: string;
  readonly fromBeginning: boolean;
  readonly sasl:
    | { mechanism: "plain" | "scram-sha-256" | "scram-sha-512"; username: string; password: string }
    | undefined;
  readonly ssl: boolean;
  readonly caPath: string | undefined;
  readonly certPath: string | undefined;
  readonly keyPath: string | undefined;
}

export interface AwsIotConfig {
  readonly host: string;
  readonly port: number;
  readonly certPath: string;
  readonly keyPath: string;
  readonly caPath: string;
  readonly clientId: string;
  readonly deviceId: string;
  readonly topics: readonly string[];
}

/** How tokens are checked; one of `secret` and `jwksUrl` is set. */
export interface AuthConfig {
  readonly secret: string | undefined;
  readonly jwksUrl: string | undefined;
  readonly audience: string | undefined;
  readonly issuer: string | undefined;
  readonly clockSkewSeconds: number;
}

export interface Config {
  readonly host: string;
  readonly port: number;
  readonly http: boolean;
  readonly dev: boolean;
  readonly check: boolean;
  readonly help: boolean;
  readonly shadow: boolean;
  readonly mqtt: MqttConfig | undefined;
  readonly kafka: KafkaConfig | undefined;
  readonly awsIot: AwsIotConfig | undefined;
  readonly websocketUrl: string | undefined;
  readonly backendUrl: string | undefined;
  readonly whatsapp:
    | { url: string; token: string; recipients: Readonly<Record<string, readonly string[]>> }
    | undefined;
  readonly commandTopicPrefix: string;
  readonly ingestMode: "lease" | "shared" | "all";
  readonly kv: { readonly url: string | undefined; readonly accessToken: string | undefined };
  readonly retentionSeconds: number;
  readonly drainSeconds: number;
  readonly keepaliveSeconds: number;
  readonly staleSeconds: number;
  readonly maxDeviceIds: number;
  readonly maxMessageBytes: number;
  readonly queueMaxPerDevice: number;
  readonly queueMaxBytes: number;
  readonly requireDeviceIds: boolean;
  readonly deviceIdPath: readonly string[] | undefined;
  readonly statsd: { readonly host: string; readonly port: number } | undefined;
  readonly log: {
    readonly level: LogLevel;
    readonly format: "json" | "text" | undefined;
    readonly file: string | undefined;
  };
  readonly corsOrigins: readonly string[];
  readonly maxConnections: number;
  readonly maxConnectionsPerIp: number | undefined;
  readonly trustProxy: boolean;
  /** Undefined: every route is open. */
  readonly auth: AuthConfig | undefined;
  readonly tls: { readonly certPath: string; readonly keyPath: string } | undefined;
  readonly mapTilesUrl: string | undefined;
  /** Threads that serve clients. */
  readonly threads: number;
}

/** Reads the whole configuration; every problem is found, not just the first. */
export function readConfig(env: Env, args: readonly string[] = []): ConfigResult {
  const values: Record<string, string> = {};
  for (const name of VARIABLE_NAMES) {
    const value = env(name);
    if (value !== undefined && value.trim() !== "") values[name] = value;
  }
  const problems: Problem[] = [];
  for (const arg of args) {
    if (!CLI_FLAGS.has(arg)) {
      problems.push({
        name: arg.split("=")[0]!,
        message: "is no flag of this program; see --help",
      });
    }
  }
  const parsed = schema.safeParse(values);
  for (const issue of parsed.error?.issues ?? []) {
    problems.push({ name: String(issue.path[0]), message: issue.message });
  }
  const checked = new Set(problems.map((problem) => problem.name));
  const good = Object.fromEntries(Object.entries(values).filter(([name]) => !checked.has(name)));
  const rest = parsed.success ? parsed : schema.safeParse(good);
  if (!rest.success) return { ok: false, problems };
  const config = assemble(rest.data, new Set(args), new Set(Object.keys(values)), problems);
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, config, set: Object.keys(values) };
}

/** Joins the variables into the parts of a Config; adds what does not fit together. */
function assemble(
  vars: Variables,
  args: ReadonlySet<string>,
  given: ReadonlySet<string>,
  problems: Problem[],
): Config {
  const context: Assembly = {
    vars,
    given,
    problem: (name, message) => problems.push({ name, message }),
  };
  const wanted = wantedSources(args);
  const sources = {
    mqtt: mqttConfig(context),
    kafka: kafkaConfig(context),
    awsIot: awsIotConfig(context),
    websocketUrl: vars.WEBSOCKET_URL,
  };
  const NEEDS = {
    mqtt: ["--mqtt", ["BROKER_HOST", "MQTT_BROKER"]],
    kafka: ["--kafka", ["KAFKA_BOOTSTRAP_SERVERS"]],
    awsIot: ["--iot", ["AWS_IOT_ENDPOINT"]],
    websocketUrl: ["--websocket", ["WEBSOCKET_URL"]],
  } as const;
  for (const key of wanted ?? []) {
    const [arg, names] = NEEDS[key];
    if (!names.some((name) => given.has(name))) context.problem(arg, `needs ${names.join(" or ")}`);
  }
  const use = <K extends keyof typeof sources>(key: K) =>
    wanted && !wanted.has(key) ? undefined : sources[key];
  const awsIot = use("awsIot");
  for (const { name, message } of awsIot ? certificateProblems(awsIot) : []) {
    context.problem(name, message);
  }
  const kafkaAlone = use("kafka") !== undefined && use("mqtt") === undefined &&
    awsIot === undefined && use("websocketUrl") === undefined;
  return {
    host: vars.HOST,
    port: vars.PORT,
    http: !args.has("--no-http"),
    dev: args.has("--dev"),
    check: args.has("--check"),
    help: args.has("--help") || args.has("-h"),
    shadow: args.has("--shadow"),
    mqtt: use("mqtt"),
    kafka: use("kafka"),
    awsIot,
    websocketUrl: use("websocketUrl"),
    backendUrl: backendUrl(context),
    whatsapp: whatsapp(context),
    commandTopicPrefix: vars.COMMAND_TOPIC_PREFIX,
    ingestMode: vars.INGEST_MODE,
    kv: { url: vars.DENO_KV_URL, accessToken: vars.DENO_KV_ACCESS_TOKEN },
    retentionSeconds: vars.RETENTION_SECONDS,
    drainSeconds: vars.DRAIN_SECONDS,
    keepaliveSeconds: vars.KEEPALIVE_SECONDS,
    staleSeconds: vars.STALE_SECONDS,
    maxDeviceIds: vars.MAX_DEVICE_IDS,
    maxMessageBytes: vars.MAX_MESSAGE_BYTES,
    queueMaxPerDevice: vars.QUEUE_MAX_PER_DEVICE,
    queueMaxBytes: vars.QUEUE_MAX_BYTES,
    requireDeviceIds: vars.WS_REQUIRE_DEVICE_IDS ?? !kafkaAlone,
    deviceIdPath: vars.DEVICE_ID_PATH?.split("."),
    statsd: vars.STATSD_HOST,
    log: { level: vars.LOG_LEVEL, format: vars.LOG_FORMAT, file: vars.LOG_FILE },
    corsOrigins: vars.CORS_ORIGINS,
    maxConnections: vars.MAX_CONNECTIONS,
    maxConnectionsPerIp: vars.MAX_CONNECTIONS_PER_IP,
    trustProxy: vars.TRUST_PROXY,
    auth: authConfig(context),
    tls: tlsConfig(context),
    mapTilesUrl: vars.MAP_TILES_URL,
    threads: threads(context),
  };
}

interface Assembly {
  readonly vars: Variables;
  readonly given: ReadonlySet<string>;
  problem(name: string, message: string): void;
}

type SourceKey = "mqtt" | "kafka" | "awsIot" | "websocketUrl";

/** The sources that the flags ask for; undefined where no flag names one: then all that are set. */
function wantedSources(args: ReadonlySet<string>): ReadonlySet<SourceKey> | undefined {
  const wanted = new Set<SourceKey>();
  if (args.has("--mqtt") || args.has("--both")) wanted.add("mqtt");
  if (args.has("--websocket") || args.has("--both")) wanted.add("websocketUrl");
  if (args.has("--kafka")) wanted.add("kafka");
  if (args.has("--iot")) wanted.add("awsIot");
  return wanted.size > 0 ? wanted : undefined;
}

function mqttConfig({ vars, problem }: Assembly): MqttConfig | undefined {
  const { BROKER_HOST, MQTT_BROKER } = vars;
  if (BROKER_HOST && MQTT_BROKER) {
    problem("MQTT_BROKER", "means the same as BROKER_HOST: set one of the two");
  }
  const broker = BROKER_HOST ?? MQTT_BROKER;
  if (!broker) return undefined;
  const name = BROKER_HOST ? "BROKER_HOST" : "MQTT_BROKER";
  if (typeof broker === "string") {
    problem(name, broker);
    return undefined;
  }
  if (vars.MQTT_PORT !== undefined) {
    if (broker.port === undefined) broker.url.port = String(vars.MQTT_PORT);
    else if (broker.port !== vars.MQTT_PORT) {
      problem("MQTT_PORT", `differs from the port in ${name}`);
    }
  }
  const username = vars.MQTT_USERNAME ?? broker.username;
  const password = vars.MQTT_PASSWORD ?? broker.password;
  if (password !== undefined && username === undefined) {
    problem("MQTT_USERNAME", "is not set, but MQTT_PASSWORD is");
  }
  return {
    url: broker.url.href,
    topics: vars.BROKER_TOPIC ?? (BROKER_HOST ? ["#"] : ["empresas"]),
    qos: vars.MQTT_QOS as 0 | 1 | 2,
    username,
    password,
    caPath: vars.MQTT_CA_PATH,
    clientId: vars.MQTT_CLIENT_ID,
  };
}

function kafkaConfig({ vars, problem }: Assembly): KafkaConfig | undefined {
  const servers = vars.KAFKA_BOOTSTRAP_SERVERS;
  if (!servers || servers.length === 0) return undefined;
  if (!vars.KAFKA_TOPIC?.length) {
    problem("KAFKA_TOPIC", "is not set, but KAFKA_BOOTSTRAP_SERVERS is");
  }
  for (const topic of vars.KAFKA_TOPIC ?? []) {
    const wrong = kafkaTopicProblem(topic);
    if (wrong) problem("KAFKA_TOPIC", wrong);
  }
  if ((vars.KAFKA_USERNAME === undefined) !== (vars.KAFKA_PASSWORD === undefined)) {
    const missing = vars.KAFKA_USERNAME === undefined ? "KAFKA_USERNAME" : "KAFKA_PASSWORD";
    problem(missing, "is not set, but the other of KAFKA_USERNAME and KAFKA_PASSWORD is");
  }
  if (vars.KAFKA_SASL_MECHANISM && vars.KAFKA_USERNAME === undefined) {
    problem("KAFKA_SASL_MECHANISM", "is set, but KAFKA_USERNAME is not");
  }
  if ((vars.KAFKA_CERT_PATH === undefined) !== (vars.KAFKA_KEY_PATH === undefined)) {
    const missing = vars.KAFKA_CERT_PATH === undefined ? "KAFKA_CERT_PATH" : "KAFKA_KEY_PATH";
    problem(missing, "is not set, but the other of KAFKA_CERT_PATH and KAFKA_KEY_PATH is");
  }
  return {
    servers: servers.map(({ host, port }) => `${host}:${port}`),
    topics: vars.KAFKA_TOPIC ?? [],
    groupId: vars.KAFKA_GROUP_ID,
    fromBeginning: vars.KAFKA_AUTO_OFFSET_RESET === "earliest",
    sasl: vars.KAFKA_USERNAME === undefined ? undefined : {
      mechanism: vars.KAFKA_SASL_MECHANISM ?? "plain",
      username: vars.KAFKA_USERNAME,
      password: vars.KAFKA_PASSWORD ?? "",
    },
    ssl: vars.KAFKA_SSL ??
      (vars.KAFKA_CA_PATH !== undefined || vars.KAFKA_CERT_PATH !== undefined),
    caPath: vars.KAFKA_CA_PATH,
    certPath: vars.KAFKA_CERT_PATH,
    keyPath: vars.KAFKA_KEY_PATH,
  };
}

function awsIotConfig({ vars, problem }: Assembly): AwsIotConfig | undefined {
  const names = [
    "AWS_IOT_ENDPOINT",
    "AWS_IOT_CERT_PATH",
    "AWS_IOT_KEY_PATH",
    "AWS_IOT_CA_PATH",
    "AWS_IOT_CLIENT_ID",
  ] as const;
  const missing = names.filter((name) => vars[name] === undefined);
  if (missing.length === names.length) return undefined;
  for (const name of missing) {
    problem(name, "is not set, but other AWS_IOT_ variables are: all five are needed, or none");
  }
  if (missing.length > 0) return undefined;
  return {
    host: vars.AWS_IOT_ENDPOINT!.host,
    port: vars.AWS_IOT_ENDPOINT!.port,
    certPath: vars.AWS_IOT_CERT_PATH!,
    keyPath: vars.AWS_IOT_KEY_PATH!,
    caPath: vars.AWS_IOT_CA_PATH!,
    clientId: vars.AWS_IOT_CLIENT_ID!,
    deviceId: vars.AWS_IOT_DEVICE_ID ?? vars.AWS_IOT_CLIENT_ID!,
    topics: vars.AWS_IOT_TOPICS,
  };
}

const LOOPBACK_NAMES = new Set(["localhost", "127.0.0.1", "[::1]", "0.0.0.0"]);

function backendUrl({ vars, problem }: Assembly): string | undefined {
  if (vars.BACKEND_URL === undefined) return undefined;
  const { hostname, port, protocol } = new URL(vars.BACKEND_URL);
  const backendPort = Number(port || (protocol === "https:" ? 443 : 80));
  if (backendPort === vars.PORT && (LOOPBACK_NAMES.has(hostname) || hostname === vars.HOST)) {
    problem("BACKEND_URL", "is the address of this program itself: change PORT or BACKEND_URL");
  }
  return vars.BACKEND_URL;
}

function whatsapp({ vars, problem }: Assembly): Config["whatsapp"] {
  const { WHATSAPP_API_URL: api, WHATSAPP_TOKEN: token } = vars;
  if (api === undefined && token === undefined) return undefined;
  if (api === undefined) problem("WHATSAPP_API_URL", "is not set, but WHATSAPP_TOKEN is");
  if (token === undefined) problem("WHATSAPP_TOKEN", "is not set, but WHATSAPP_API_URL is");
  return { url: api ?? "", token: token ?? "", recipients: vars.WHATSAPP_RECIPIENTS ?? {} };
}

function authConfig({ vars, problem }: Assembly): AuthConfig | undefined {
  const { AUTH_JWT_SECRET: secret, AUTH_JWKS_URL: jwksUrl } = vars;
  if (secret === undefined && jwksUrl === undefined) {
    for (const name of ["AUTH_AUDIENCE", "AUTH_ISSUER"] as const) {
      if (vars[name] === undefined) continue;
      // Somebody who sets these believes that tokens are asked for.
      problem(name, "is set, but neither AUTH_JWT_SECRET nor AUTH_JWKS_URL is");
    }
    return undefined;
  }
  if (secret !== undefined && jwksUrl !== undefined) {
    problem("AUTH_JWKS_URL", "and AUTH_JWT_SECRET are set: use one of the two");
  }
  return {
    secret,
    jwksUrl,
    audience: vars.AUTH_AUDIENCE,
    issuer: vars.AUTH_ISSUER,
    clockSkewSeconds: vars.AUTH_CLOCK_SKEW_SECONDS,
  };
}

function tlsConfig({ vars, problem }: Assembly): Config["tls"] {
  const { TLS_CERT_PATH: certPath, TLS_KEY_PATH: keyPath } = vars;
  if (certPath === undefined && keyPath === undefined) return undefined;
  if (certPath === undefined) problem("TLS_CERT_PATH", "is not set, but TLS_KEY_PATH is");
  if (keyPath === undefined) problem("TLS_KEY_PATH", "is not set, but TLS_CERT_PATH is");
  return { certPath: certPath ?? "", keyPath: keyPath ?? "" };
}

function threads({ vars, problem }: Assembly): number {
  if (vars.WEB_CONCURRENCY > 1 && vars.DENO_KV_URL === "memory:") {
    problem("WEB_CONCURRENCY", "needs a store that threads share: DENO_KV_URL must not be memory:");
  }
  return vars.WEB_CONCURRENCY;
}

/** Whether the platform is Deno Deploy, which sets this variable and has a store of its own. */
export function onDenoDeploy(env: Env): boolean {
  return env("DENO_DEPLOYMENT_ID") !== undefined;
}
