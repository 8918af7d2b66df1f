/** The source kind for Kafka and systems that speak its protocol. */

import { z } from "zod";
import { choice, flag, hostAndPort, list, text } from "../../config/forms.ts";
import { defineSource } from "../runtime/source_kind.ts";
import type { KafkaConfig, KafkaSourceConfig } from "./settings.ts";
import { topicNameProblem } from "./topic_name.ts";

const topics = () =>
  list().superRefine((all, context) => {
    for (const topic of all) {
      const wrong = topicNameProblem(topic);
      if (wrong) context.addIssue(wrong);
    }
  });

const variables = {
  KAFKA_BOOTSTRAP_SERVERS: list().transform((all, context) =>
    all.map((server) => hostAndPort(server, 9092, context))
  ).optional(),
  KAFKA_TOPIC: topics().optional(),
  KAFKA_GROUP_ID: text().default("telecast"),
  KAFKA_AUTO_OFFSET_RESET: choice("latest", "earliest").default("latest"),
  KAFKA_USERNAME: z.string().optional(),
  KAFKA_PASSWORD: z.string().optional(),
  KAFKA_SASL_MECHANISM: choice("plain", "scram-sha-256", "scram-sha-512").optional(),
  KAFKA_SSL: flag().optional(),
  KAFKA_CA_PATH: text().optional(),
  KAFKA_CERT_PATH: text().optional(),
  KAFKA_KEY_PATH: text().optional(),
};

export const KAFKA = defineSource<KafkaConfig, typeof variables>({
  name: "kafka",
  flags: ["--kafka"],
  variables,
  addresses: ["KAFKA_BOOTSTRAP_SERVERS"],
  unusedWithoutAddress: ["KAFKA_TOPIC"],
  streamsEveryDevice: true,
  help: `Kafka, Redpanda
  KAFKA_BOOTSTRAP_SERVERS, KAFKA_TOPIC host:port and topics, each joined by commas
  KAFKA_GROUP_ID                       telecast
  KAFKA_AUTO_OFFSET_RESET              where a new group starts: latest, or earliest
  KAFKA_USERNAME, KAFKA_PASSWORD, KAFKA_SASL_MECHANISM (plain, scram-sha-256, scram-sha-512)
  KAFKA_SSL, KAFKA_CA_PATH, KAFKA_CERT_PATH, KAFKA_KEY_PATH`,
  section(vars, { given, problem }) {
    if (!given.has("KAFKA_BOOTSTRAP_SERVERS")) return undefined;
    if (!given.has("KAFKA_TOPIC")) {
      problem("KAFKA_TOPIC", "is not set, but KAFKA_BOOTSTRAP_SERVERS is");
    }
    if ((vars.KAFKA_USERNAME === undefined) !== (vars.KAFKA_PASSWORD === undefined)) {
      const missing = vars.KAFKA_USERNAME === undefined ? "KAFKA_USERNAME" : "KAFKA_PASSWORD";
      problem(missing, "is not set: set both KAFKA_USERNAME and KAFKA_PASSWORD");
    }
    if (vars.KAFKA_SASL_MECHANISM && vars.KAFKA_USERNAME === undefined) {
      problem("KAFKA_SASL_MECHANISM", "is set, but KAFKA_USERNAME is not");
    }
    if ((vars.KAFKA_CERT_PATH === undefined) !== (vars.KAFKA_KEY_PATH === undefined)) {
      const missing = vars.KAFKA_CERT_PATH === undefined ? "KAFKA_CERT_PATH" : "KAFKA_KEY_PATH";
      problem(missing, "is not set: set both KAFKA_CERT_PATH and KAFKA_KEY_PATH");
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
  },
  summary: ({ servers, topics, groupId }, { shadow }) =>
    `kafka ${servers.join(",")} (${topics.join(", ")}, group ${groupId}${shadow ? "-shadow" : ""})`,
  worker: new URL("./worker.ts", import.meta.url),
  isLeased: (mode) => mode === "lease",
  workerConfig(section, { config: { ingestMode, shadow }, instance }): KafkaSourceConfig {
    const suffix = shadow ? "-shadow" : "";
    // With a separate group the instance reads everything; a shared group spreads the partitions.
    const own = ingestMode === "all" ? `-${instance}` : "";
    return {
      ...section,
      groupId: `${section.groupId}${own}${suffix}`,
      clientId: `telecast-${instance}${suffix}`,
    };
  },
});
