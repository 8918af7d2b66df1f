/**
 * Reads the whole configuration once, from the environment and the command line.
 *
 * The config room: variables, flags, --help and --check. It imports nothing: sources hand in their
 * declarations.
 */

import { z } from "zod";
import type { Config } from "./config.ts";
import { flagsOf, selectedBy } from "./flags.ts";
import type { Problem } from "./problem.ts";
import type { SourceDeclaration } from "./source_declaration.ts";
import {
  type Assembly,
  authConfig,
  backendUrl,
  isOwnAddress,
  limits,
  threads,
  tlsConfig,
  whatsapp,
} from "./sections.ts";
import { type Variables, variablesOf } from "./variables.ts";
import { tlsProblems } from "./tls_files.ts";

/** Reads one environment variable; undefined if it is not set. */
export type Env = (name: string) => string | undefined;

export type ConfigResult =
  | { readonly ok: true; readonly config: Config; readonly set: readonly string[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export interface ReadOptions {
  /** All kinds of sources. */
  readonly sources: readonly SourceDeclaration[];
  /** The command line. */
  readonly args?: readonly string[];
}

/** Reads the whole configuration; reports every problem, not just the first. */
export function readConfig(env: Env, { sources, args = [] }: ReadOptions): ConfigResult {
  const variables = variablesOf(sources);
  const schema = z.object(variables);
  const values: Record<string, string> = {};
  for (const name of Object.keys(variables)) {
    const value = env(name);
    if (value !== undefined && value.trim() !== "") values[name] = value;
  }
  const problems: Problem[] = [];
  const known = flagsOf(sources);
  for (const arg of args) {
    if (!known.has(arg)) {
      problems.push({
        name: arg.startsWith("-") ? arg.split("=")[0]! : "an argument",
        message: "is not a known flag; see --help",
      });
    }
  }
  const parsed = schema.safeParse(values);
  for (const { path: [name], message } of parsed.error?.issues ?? []) {
    // Two entries of one list may have the same problem.
    if (problems.some((known) => known.name === name && known.message === message)) continue;
    problems.push({ name: String(name), message });
  }
  const checked = new Set(problems.map((problem) => problem.name));
  const good = Object.fromEntries(Object.entries(values).filter(([name]) => !checked.has(name)));
  const rest = parsed.success ? parsed : schema.safeParse(good);
  if (!rest.success) return { ok: false, problems };
  const config = assemble(rest.data as Variables & Record<string, unknown>, {
    sources,
    args: new Set(args),
    given: new Set(Object.keys(values)),
    problem: (name, message) => problems.push({ name, message }),
  });
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, config, set: Object.keys(values) };
}

interface Given {
  readonly sources: readonly SourceDeclaration[];
  readonly args: ReadonlySet<string>;
  readonly given: ReadonlySet<string>;
  problem(name: string, message: string): void;
}

/** Builds a Config from the variables; reports combinations that do not fit together. */
function assemble(
  vars: Variables & Record<string, unknown>,
  { sources: declared, args, given, problem }: Given,
): Config {
  const http = !args.has("--no-http");
  const context: Assembly = {
    vars,
    given,
    problem,
    isOwnAddress: (url) => http && isOwnAddress(url, vars),
  };
  const selected = selectedBy(args, declared);
  const sections = new Map(declared.map((source) => [source, source.section(vars, context)]));
  const sources = new Map<string, unknown>();
  for (const source of selected.sources) {
    const { name, flags, addresses } = source;
    if (selected.byFlag && !addresses.some((address) => given.has(address))) {
      problem(flags[0], `needs ${addresses.join(" or ")}`);
    }
    const section = sections.get(source);
    if (section !== undefined) sources.set(name, section);
  }
  for (const source of declared) {
    const section = sources.get(source.name);
    if (section === undefined) continue;
    for (const { name, message } of source.check?.(section) ?? []) problem(name, message);
  }
  const tls = tlsConfig(context);
  for (const { name, message } of tls ? tlsProblems(tls) : []) problem(name, message);
  const started = declared.filter(({ name }) => sources.has(name));
  const streamsEveryDevice = started.length > 0 &&
    started.every(({ streamsEveryDevice }) => streamsEveryDevice);
  return {
    host: vars.HOST,
    port: vars.PORT,
    http,
    dev: args.has("--dev"),
    check: args.has("--check"),
    shadow: args.has("--shadow"),
    sources,
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
    requireDeviceIds: vars.WS_REQUIRE_DEVICE_IDS ?? !streamsEveryDevice,
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

/** Whether the platform is Deno Deploy, which sets this variable and has a store of its own. */
export function onDenoDeploy(env: Env): boolean {
  return env("DENO_DEPLOYMENT_ID") !== undefined;
}
