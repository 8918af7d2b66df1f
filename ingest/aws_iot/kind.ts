/** The source kind for AWS IoT Core. */

import { hostAndPort, text } from "../../config/forms.ts";
import { mqttText } from "../../config/mqtt_text.ts";
import { defineSource, type InstanceNames } from "../runtime/source_kind.ts";
import { topicFilters } from "../mqtt/topic_filter.ts";
import { certificateProblems } from "../../config/aws_certificates.ts";
import { GZIP_BYTES } from "./settings.ts";
import type { AwsIotSourceConfig } from "./source.ts";

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

const variables = {
  AWS_IOT_ENDPOINT: text().transform((value, context) => hostAndPort(value, 8883, context))
    .optional(),
  AWS_IOT_CERT_PATH: text().optional(),
  AWS_IOT_KEY_PATH: text().optional(),
  AWS_IOT_CA_PATH: text().optional(),
  AWS_IOT_CLIENT_ID: mqttText(text().max(128, "must be at most 128 characters long")).optional(),
  AWS_IOT_DEVICE_ID: text().max(128, "must be at most 128 characters long").optional(),
  AWS_IOT_TOPICS: topicFilters().default(["bombercat/commands/#"]),
};

const REQUIRED = [
  "AWS_IOT_ENDPOINT",
  "AWS_IOT_CERT_PATH",
  "AWS_IOT_KEY_PATH",
  "AWS_IOT_CA_PATH",
  "AWS_IOT_CLIENT_ID",
] as const;

export const AWS_IOT = defineSource<AwsIotConfig, typeof variables>({
  name: "aws_iot",
  flags: ["--iot"],
  variables,
  addresses: ["AWS_IOT_ENDPOINT"],
  help: `AWS IoT Core: set all of the first five, or none
  AWS_IOT_ENDPOINT, AWS_IOT_CERT_PATH, AWS_IOT_KEY_PATH, AWS_IOT_CA_PATH, AWS_IOT_CLIENT_ID
  AWS_IOT_DEVICE_ID, AWS_IOT_TOPICS (bombercat/commands/#)`,
  section(vars, { given, problem }) {
    const missing = REQUIRED.filter((name) => !given.has(name));
    if (missing.length === REQUIRED.length) return undefined;
    for (const name of missing) {
      problem(name, "is not set, but other AWS_IOT_ variables are: set all five, or none");
    }
    // A malformed value has already been reported.
    if (REQUIRED.some((name) => vars[name] === undefined)) return undefined;
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
  },
  check: certificateProblems,
  summary: ({ host, port, topics }) => `aws_iot ${host}:${port} (${topics.join(", ")})`,
  worker: new URL("./worker.ts", import.meta.url),
  // For AWS, one certificate stands for one client.
  isLeased: () => true,
  workerConfig({ deviceId: _, ...section }, { config: { shadow } }): AwsIotSourceConfig {
    return {
      ...section,
      clientId: `${section.clientId}${shadow ? "-shadow" : ""}`,
      clean: false,
      gzipBytes: GZIP_BYTES,
      retry: {},
    };
  },
});

/** The configuration of the connection that only publishes. */
export function publisherConfig(section: AwsIotConfig, names: InstanceNames): AwsIotSourceConfig {
  const source = AWS_IOT.workerConfig(section, names) as AwsIotSourceConfig;
  return {
    ...source,
    clientId: `${source.clientId}-pub-${names.instance}`,
    topics: [],
    clean: true,
  };
}
