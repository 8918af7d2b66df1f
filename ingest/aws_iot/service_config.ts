/** The configuration of the service. */

import { type Env, readConfig } from "../../config/read.ts";
import type { Problem } from "../../config/problem.ts";
import { sectionOf } from "../../config/source_declaration.ts";
import { certificateProblems } from "../../config/aws_certificates.ts";
import { AWS_IOT, type AwsIotConfig } from "./kind.ts";
import { GZIP_BYTES } from "./settings.ts";
import type { AwsIotSourceConfig } from "./source.ts";

export interface AwsIotServiceConfig {
  /** `host` or `host:port`; the default port is 8883, and 443 uses ALPN. */
  readonly endpoint: string;
  /** PEM files: the thing's certificate, its private key, Amazon's root CA. */
  readonly certPath: string;
  readonly keyPath: string;
  readonly caPath: string;
  readonly clientId: string;
  /** The client id by default. */
  readonly deviceId?: string | undefined;
  /** `bombercat/commands/#` by default. */
  readonly topics?: readonly string[] | undefined;
  readonly commandTopicPrefix?: string | undefined;
}

export interface AwsIotTuning {
  /** How often the keepalive event is sent: 25 s by default; 0 for never. */
  readonly keepaliveMs?: number | undefined;
  /** Retries before the circuit breaker opens: 5 by default, after 1, 2, 4, 8 and 16 s. */
  readonly maxTries?: number | undefined;
  readonly retryBaseMs?: number | undefined;
  /** Delay between retries while the breaker is open: a minute by default. */
  readonly slowRetryMs?: number | undefined;
  /** How long a publish waits for its ack before it is put into the buffer: 4 s by default. */
  readonly ackTimeoutMs?: number | undefined;
  /** 90 by default, below AWS's limit of 100 per connection. */
  readonly publishesPerSecond?: number | undefined;
  /** Payloads of at least this size are compressed: 32 KiB by default; 0 for none. */
  readonly gzipBytes?: number | undefined;
  /** Larger payloads are rejected: 128 KB by default, AWS's own limit. */
  readonly maxPayloadBytes?: number | undefined;
  /** Collects telemetry of a device and sends it as one message; off by default. */
  readonly batch?: { readonly maxMs: number; readonly maxMessages: number } | undefined;
}

/** What is wrong with the configuration, by variable name. */
export class AwsIotConfigError extends Error {
  override readonly name = "AwsIotConfigError";
  constructor(readonly problems: readonly Problem[]) {
    super(problems.map(({ name, message }) => `${name} ${message}`).join("; "));
  }
}

export const KEEPALIVE_MS = 25_000;
const TOPICS = ["bombercat/commands/#"];
export const COMMAND_TOPIC_PREFIX = "bombercat/commands/";

/** Reads only `AWS_IOT_*` and `COMMAND_TOPIC_PREFIX`. @throws {AwsIotConfigError} */
export function serviceConfigFromEnv(env: Env): AwsIotServiceConfig {
  const own = (name: string) => /^AWS_IOT_|^COMMAND_TOPIC_PREFIX$/.test(name);
  const result = readConfig((name) => own(name) ? env(name) : undefined, {
    sources: [AWS_IOT],
  });
  if (!result.ok) throw new AwsIotConfigError(result.problems);
  const awsIot = sectionOf(result.config, AWS_IOT);
  const { commandTopicPrefix } = result.config;
  if (!awsIot) {
    const message = "is not set: it is required, as are AWS_IOT_CERT_PATH, AWS_IOT_KEY_PATH, " +
      "AWS_IOT_CA_PATH and AWS_IOT_CLIENT_ID";
    throw new AwsIotConfigError([{ name: "AWS_IOT_ENDPOINT", message }]);
  }
  return { ...serviceConfigOf(awsIot), commandTopicPrefix };
}

export function serviceConfigOf(config: AwsIotConfig): AwsIotServiceConfig {
  const { host, port, ...rest } = config;
  return { ...rest, endpoint: `${host}:${port}` };
}

/** The configuration of the connection. @throws {AwsIotConfigError} */
export function sourceConfigOf(
  config: AwsIotServiceConfig,
  { maxTries, retryBaseMs, slowRetryMs, gzipBytes = GZIP_BYTES }: AwsIotTuning = {},
): AwsIotSourceConfig {
  const { host, port } = addressOf(config.endpoint);
  return {
    host,
    port,
    certPath: config.certPath,
    keyPath: config.keyPath,
    caPath: config.caPath,
    clientId: config.clientId,
    topics: config.topics ?? TOPICS,
    clean: false,
    gzipBytes,
    retry: { maxTries, baseMs: retryBaseMs, slowMs: slowRetryMs },
  };
}

/** @throws {AwsIotConfigError} if a file cannot be used. */
export function checkCertificates(config: AwsIotServiceConfig): void {
  const problems = certificateProblems(config);
  if (problems.length > 0) throw new AwsIotConfigError(problems);
}

function addressOf(endpoint: string): { host: string; port: number } {
  const parts = /^(\[[0-9a-fA-F:.]+\]|[^\s:/@[\]]+)(?::(\d{1,5}))?$/.exec(endpoint);
  const port = Number(parts?.[2] ?? 8883);
  if (parts && port > 0 && port < 65_536) return { host: parts[1]!, port };
  throw new AwsIotConfigError([
    { name: "AWS_IOT_ENDPOINT", message: "must be host or host:port" },
  ]);
}
