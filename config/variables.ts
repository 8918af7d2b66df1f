/** The variables of the program itself, and their schemas. Sources declare their own. */

import { z } from "zod";
import { choice, flag, hostAndPort, list, seconds, text, url, whole } from "./forms.ts";
import { mqttText } from "./mqtt_text.ts";

/** Where to listen; an IPv6 address with or without brackets. */
const host = () =>
  text().regex(
    /^([^\s:/@[\]]+|[0-9a-fA-F]*:[0-9a-fA-F.]*:[0-9a-fA-F:.]*|\[[0-9a-fA-F:.]+\])$/,
    "must be a host name or an IP address, without a port: use PORT for that",
  ).transform((value) => value.replace(/^\[(.*)\]$/, "$1"));

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
      // As entries, because zod's records omit a company that is named `__proto__`.
      const entries = z.array(z.tuple([z.string(), z.array(z.string().regex(/^\+?\d{6,15}$/))]));
      const given: unknown = JSON.parse(value);
      if (typeof given !== "object" || given === null || Array.isArray(given)) throw new Error();
      return Object.fromEntries(entries.parse(Object.entries(given)));
    } catch {
      context.addIssue('must be JSON such as {"cota":["573001112233"],"*":[]}: numbers by company');
      return z.NEVER;
    }
  });

/** An empty variable counts as unset. */
export const VARIABLES = {
  HOST: host().default("127.0.0.1"),
  PORT: whole(0, 65_535).default(8000),
  COMMAND_TOPIC_PREFIX: mqttText(text().regex(/^[^#+]{1,200}$/, "must be a topic without # and +"))
    // The id is its own level, even if the slash was left out.
    .transform((prefix) => prefix.endsWith("/") ? prefix : `${prefix}/`)
    .default("bombercat/commands/"),
  BACKEND_URL: url("http", "https").optional(),
  WHATSAPP_API_URL: url("http", "https").optional(),
  WHATSAPP_TOKEN: text().optional(),
  WHATSAPP_RECIPIENTS: recipients().optional(),
  INGEST_MODE: choice("lease", "shared", "all").default("lease"),
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
  LOG_FORMAT: choice("json", "text").optional(),
  LOG_FILE: text().optional(),
  CORS_ORIGINS: origins().default(["*"]),
  MAX_CONNECTIONS: whole(1, 10_000_000).default(20_000),
  MAX_CONNECTIONS_PER_IP: whole(1, 10_000_000).optional(),
  MAX_CONNECTIONS_PER_TOKEN: whole(1, 10_000_000).optional(),
  MAX_NEW_CONNECTIONS_PER_SECOND: whole(1, 1_000_000).default(2_000),
  MAX_COMMANDS_PER_SECOND: whole(1, 1_000_000).default(100),
  MAX_POSTS_PER_SECOND: whole(1, 1_000_000).default(1_000),
  MAX_BODY_BYTES: whole(1_024, 67_108_864).default(262_144),
  MAX_URL_BYTES: whole(1_024, 1_048_576).default(131_072),
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

export type Variables = z.infer<z.ZodObject<typeof VARIABLES>>;

/** Every variable with its schema, including those of the sources. */
export function variablesOf(
  sources: readonly { readonly variables: z.ZodRawShape }[],
): z.ZodRawShape {
  return Object.assign({ ...VARIABLES }, ...sources.map(({ variables }) => variables));
}
