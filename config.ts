/** The configuration: read once, from the environment and the command line, whole. */

import { CLI_FLAGS } from "./config_formats.ts";
import {
  type Assembly,
  type AuthConfig,
  authConfig,
  type AwsIotConfig,
  awsIotConfig,
  backendUrl,
  type KafkaConfig,
  kafkaConfig,
  type Limits,
  limits,
  type MqttConfig,
  mqttConfig,
  threads,
  type TlsConfig,
  tlsConfig,
  websocketUrl,
  whatsapp,
  type WhatsAppConfig,
} from "./config_parts.ts";
import {
  type LogLevel,
  VARIABLE_NAMES,
  VARIABLES,
  type Variables,
  VARIABLES_SCHEMA,
} from "./config_variables.ts";
import { certificateProblems } from "./ingest/aws_iot/certificates.ts";
import { tlsProblems } from "./tls_files.ts";

export type { AuthConfig, AwsIotConfig, KafkaConfig, LogLevel, MqttConfig };
export { VARIABLE_NAMES, VARIABLES };

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

export interface Config {
  readonly host: string;
  readonly port: number;
  readonly http: boolean;
  readonly dev: boolean;
  readonly check: boolean;
  readonly shadow: boolean;
  readonly mqtt: MqttConfig | undefined;
  readonly kafka: KafkaConfig | undefined;
  readonly awsIot: AwsIotConfig | undefined;
  readonly websocketUrl: string | undefined;
  readonly backendUrl: string | undefined;
  readonly whatsapp: WhatsAppConfig | undefined;
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
  readonly limits: Limits;
  /** Clients connect through a guard; with TLS they always do. */
  readonly connectionGuard: boolean;
  readonly trustProxy: boolean;
  /** Undefined: every route is open. */
  readonly auth: AuthConfig | undefined;
  readonly tls: TlsConfig | undefined;
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
        name: arg.startsWith("-") ? arg.split("=")[0]! : "an argument",
        message: "is no flag of this program; see --help",
      });
    }
  }
  const parsed = VARIABLES_SCHEMA.safeParse(values);
  for (const { path: [name], message } of parsed.error?.issues ?? []) {
    // Two entries of one list may have the same fault.
    if (problems.some((known) => known.name === name && known.message === message)) continue;
    problems.push({ name: String(name), message });
  }
  const checked = new Set(problems.map((problem) => problem.name));
  const good = Object.fromEntries(Object.entries(values).filter(([name]) => !checked.has(name)));
  const rest = parsed.success ? parsed : VARIABLES_SCHEMA.safeParse(good);
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
    http: !args.has("--no-http"),
    problem: (name, message) => problems.push({ name, message }),
  };
  const wanted = wantedSources(args);
  const sources = {
    mqtt: mqttConfig(context),
    kafka: kafkaConfig(context),
    awsIot: awsIotConfig(context),
    websocketUrl: websocketUrl(context),
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
  const tls = tlsConfig(context);
  for (const { name, message } of tls ? tlsProblems(tls) : []) context.problem(name, message);
  const kafkaAlone = use("kafka") !== undefined && use("mqtt") === undefined &&
    awsIot === undefined && use("websocketUrl") === undefined;
  return {
    host: vars.HOST,
    port: vars.PORT,
    http: context.http,
    dev: args.has("--dev"),
    check: args.has("--check"),
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
    limits: limits(context),
    connectionGuard: vars.CONNECTION_GUARD,
    trustProxy: vars.TRUST_PROXY,
    auth: authConfig(context),
    tls,
    mapTilesUrl: vars.MAP_TILES_URL,
    threads: threads(context),
  };
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

/** Whether the platform is Deno Deploy, which sets this variable and has a store of its own. */
export function onDenoDeploy(env: Env): boolean {
  return env("DENO_DEPLOYMENT_ID") !== undefined;
}
