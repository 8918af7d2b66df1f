/** The parts of the configuration, each made of its variables, with what does not fit together. */

import type { Variables } from "./config_variables.ts";

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

export interface WhatsAppConfig {
  readonly url: string;
  readonly token: string;
  /** Numbers by company; `*` is every other one. */
  readonly recipients: Readonly<Record<string, readonly string[]>>;
}

export interface TlsConfig {
  readonly certPath: string;
  readonly keyPath: string;
}

/** What one client, or all together, may take. */
export interface Limits {
  readonly connectionsPerToken: number | undefined;
  readonly newConnectionsPerSecond: number;
  /** Of one WebSocket. */
  readonly commandsPerSecond: number;
  /** Of one token, or of one address where no tokens are used. */
  readonly postsPerSecond: number;
  readonly bodyBytes: number;
  readonly urlBytes: number;
  readonly headerBytes: number;
  readonly handshakeSeconds: number;
  readonly idleSeconds: number;
  readonly writeSeconds: number;
}

export interface Assembly {
  readonly vars: Variables;
  readonly given: ReadonlySet<string>;
  /** Whether the program listens. */
  readonly http: boolean;
  problem(name: string, message: string): void;
}

export function mqttConfig({ vars, problem }: Assembly): MqttConfig | undefined {
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

export function kafkaConfig({ vars, given, problem }: Assembly): KafkaConfig | undefined {
  if (!given.has("KAFKA_BOOTSTRAP_SERVERS")) return undefined;
  if (!given.has("KAFKA_TOPIC")) {
    problem("KAFKA_TOPIC", "is not set, but KAFKA_BOOTSTRAP_SERVERS is");
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
  const servers = vars.KAFKA_BOOTSTRAP_SERVERS;
  return servers && {
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

export function awsIotConfig({ vars, given, problem }: Assembly): AwsIotConfig | undefined {
  const names = [
    "AWS_IOT_ENDPOINT",
    "AWS_IOT_CERT_PATH",
    "AWS_IOT_KEY_PATH",
    "AWS_IOT_CA_PATH",
    "AWS_IOT_CLIENT_ID",
  ] as const;
  const missing = names.filter((name) => !given.has(name));
  if (missing.length === names.length) return undefined;
  for (const name of missing) {
    problem(name, "is not set, but other AWS_IOT_ variables are: all five are needed, or none");
  }
  // A value that is out of form was told of already.
  if (names.some((name) => vars[name] === undefined)) return undefined;
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

/** Names and addresses by which a machine reaches itself, as a URL has them. */
const LOOPBACK = /^(localhost\.?|127(\.\d+){3}|0\.0\.0\.0|\[::1?\])$/;

export function backendUrl(assembly: Assembly): string | undefined {
  return notItself("BACKEND_URL", assembly);
}

export function websocketUrl(assembly: Assembly): string | undefined {
  return notItself("WEBSOCKET_URL", assembly);
}

/** An address of another program: to this one, a message would go round for ever. */
function notItself(
  name: "BACKEND_URL" | "WEBSOCKET_URL",
  { vars, http, problem }: Assembly,
): string | undefined {
  const url = vars[name];
  if (url === undefined || !http) return url;
  const { hostname, port, protocol } = new URL(url);
  const isTls = protocol === "https:" || protocol === "wss:";
  const urlPort = Number(port || (isTls ? 443 : 80));
  const isOwn = [vars.HOST.toLowerCase(), `[${vars.HOST.toLowerCase()}]`].includes(hostname);
  if (urlPort === vars.PORT && (LOOPBACK.test(hostname) || isOwn)) {
    problem(name, `is the address of this program itself: change PORT or ${name}`);
  }
  return url;
}

export function whatsapp({ vars, given, problem }: Assembly): WhatsAppConfig | undefined {
  const { WHATSAPP_API_URL: api, WHATSAPP_TOKEN: token } = vars;
  if (api === undefined && token === undefined) return undefined;
  if (!given.has("WHATSAPP_API_URL")) {
    problem("WHATSAPP_API_URL", "is not set, but WHATSAPP_TOKEN is");
  }
  if (token === undefined) problem("WHATSAPP_TOKEN", "is not set, but WHATSAPP_API_URL is");
  return { url: api ?? "", token: token ?? "", recipients: vars.WHATSAPP_RECIPIENTS ?? {} };
}

export function authConfig({ vars, given, problem }: Assembly): AuthConfig | undefined {
  const { AUTH_JWT_SECRET: secret, AUTH_JWKS_URL: jwksUrl } = vars;
  if (!given.has("AUTH_JWT_SECRET") && !given.has("AUTH_JWKS_URL")) {
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

export function tlsConfig({ vars, problem }: Assembly): TlsConfig | undefined {
  const { TLS_CERT_PATH: certPath, TLS_KEY_PATH: keyPath } = vars;
  if (certPath === undefined && keyPath === undefined) return undefined;
  if (certPath === undefined) problem("TLS_CERT_PATH", "is not set, but TLS_KEY_PATH is");
  if (keyPath === undefined) problem("TLS_KEY_PATH", "is not set, but TLS_CERT_PATH is");
  return certPath === undefined || keyPath === undefined ? undefined : { certPath, keyPath };
}

export function threads({ vars, problem }: Assembly): number {
  if (vars.WEB_CONCURRENCY > 1 && vars.DENO_KV_URL === "memory:") {
    problem("WEB_CONCURRENCY", "needs a store that threads share: DENO_KV_URL must not be memory:");
  }
  return vars.WEB_CONCURRENCY;
}

export function limits({ vars }: Assembly): Limits {
  return {
    connectionsPerToken: vars.MAX_CONNECTIONS_PER_TOKEN,
    newConnectionsPerSecond: vars.MAX_NEW_CONNECTIONS_PER_SECOND,
    commandsPerSecond: vars.MAX_COMMANDS_PER_SECOND,
    postsPerSecond: vars.MAX_POSTS_PER_SECOND,
    bodyBytes: vars.MAX_BODY_BYTES,
    urlBytes: vars.MAX_URL_BYTES,
    headerBytes: vars.MAX_HEADER_BYTES,
    handshakeSeconds: vars.CONNECTION_HANDSHAKE_SECONDS,
    idleSeconds: vars.CONNECTION_IDLE_SECONDS,
    writeSeconds: vars.CONNECTION_WRITE_SECONDS,
  };
}
