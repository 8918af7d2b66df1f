/** What the service is made with. */

import { type Env, type Problem, readConfig } from "../../config/read.ts";
import { sectionOf } from "../../config/source_declaration.ts";
import { certificateProblems } from "../../config/aws_certificates.ts";
import { AWS_IOT, type AwsIotConfig } from "./kind.ts";
import { GZIP_BYTES } from "./settings.ts";
import type { AwsIotSourceConfig } from "./source.ts";

export interface AwsIotServiceConfig {
  /** `host` or `host:port`; port 8883 unless given, on 443 by ALPN. */
  readonly endpoint: string;
  /** PEM files: the certificate of the thing, its private key, Amazon's root. */
  readonly certPath: string;
  readonly keyPath: string;
  readonly caPath: string;
  readonly clientId: string;
  /** The client id unless given. */
  readonly deviceId?: string | undefined;
  /** `bombercat/commands/#` unless given. */
  readonly topics?: readonly string[] | undefined;
  readonly commandTopicPrefix?: string | undefined;
}

export interface AwsIotTuning {
  /** How often the keepalive event goes out; 25 s, and never where it is 0. */
  readonly keepaliveMs?: number | undefined;
  /** Tries after a failure before the circuit breaker opens: 5, after 1, 2, 4, 8 and 16 s. */
  readonly maxTries?: number | undefined;
  readonly retryBaseMs?: number | undefined;
  /** Pace of the tries while the breaker is open: one a minute. */
  readonly slowRetryMs?: number | undefined;
  /** How long a publish waits for its ack before it is put into the buffer: 4 s. */
  readonly ackTimeoutMs?: number | undefined;
  /** 90, below AWS's 100 for one connection. */
  readonly publishesPerSecond?: number | undefined;
  /** Payloads of so many bytes and more are compressed: 32 KiB; 0 for none. */
  readonly gzipBytes?: number | undefined;
  /** Larger payloads are not taken: 128 KB, which is AWS's own limit. */
  readonly maxPayloadBytes?: number | undefined;
  /** Collects telemetry of a device and sends it as one message; off unless given. */
  readonly batch?: { readonly maxMs: number; readonly maxMessages: number } | undefined;
}

/** What is wrong with the configuration, each by its name. */
export class AwsIotConfigError extends Error {
  override readonly name = "AwsIotConfigError";
  constructor(readonly problems: readonly Problem[]) {
    super(problems.map(({ name, message }) => `${name} ${message}`).join("; "));
  }
}

export const KEEPALIVE_MS = 25_000;
const TOPICS = ["bombercat/commands/#"];
export const COMMAND_TOPIC_PREFIX = "bombercat/commands/";

/** Reads the `AWS_IOT_*` variables alone. @throws {AwsIotConfigError} */
export function serviceConfigFromEnv(env: Env): AwsIotServiceConfig {
  const own = (name: string) => /^AWS_IOT_|^COMMAND_TOPIC_PREFIX$/.test(name);
  const result = readConfig((name) => own(name) ? env(name) : undefined, {
    sources: [AWS_IOT],
  });
  if (!result.ok) throw new AwsIotConfigError(result.problems);
  const awsIot = sectionOf(result.config, AWS_IOT);
  const { commandTopicPrefix } = result.config;
  if (!awsIot) {
    const message = "is not set: it, AWS_IOT_CERT_PATH, AWS_IOT_KEY_PATH, AWS_IOT_CA_PATH and " +
      "AWS_IOT_CLIENT_ID are needed";
    throw new AwsIotConfigError([{ name: "AWS_IOT_ENDPOINT", message }]);
  }
  return { ...serviceConfigOf(awsIot), commandTopicPrefix };
}

export function serviceConfigOf(config: AwsIotConfig): AwsIotServiceConfig {
  const { host, port, ...rest } = config;
  return { ...rest, endpoint: `${host}:${port}` };
}

/** What the connection is made with. @throws {AwsIotConfigError} */
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

/** @throws {AwsIotConfigError} where a file cannot be used. */
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
