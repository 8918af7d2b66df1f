/** The source kind for MQTT: its variables and how an instance runs it. */

import { z } from "zod";
import { text, whole } from "../../config/forms.ts";
import { mqttText } from "../../config/mqtt_text.ts";
import { defineSource, type InstanceNames } from "../runtime/source_kind.ts";
import { brokerUrl } from "./broker_url.ts";
import type { MqttSourceConfig } from "./source.ts";
import { topicFilters } from "./topic_filter.ts";

export interface MqttConfig {
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://`, without credentials. */
  readonly url: string;
  readonly topics: readonly string[];
  readonly qos: 0 | 1 | 2;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly caPath: string | undefined;
  /** If undefined, it is made from the deployment's id. */
  readonly clientId: string | undefined;
}

const variables = {
  BROKER_HOST: text().transform(brokerUrl).optional(),
  MQTT_BROKER: text().transform(brokerUrl).optional(),
  MQTT_PORT: whole(1, 65_535).optional(),
  BROKER_TOPIC: topicFilters().optional(),
  MQTT_USERNAME: mqttText().optional(),
  MQTT_PASSWORD: z.string().optional(),
  MQTT_CA_PATH: text().optional(),
  MQTT_CLIENT_ID: mqttText(text().max(256, "must be at most 256 characters long")).optional(),
  MQTT_QOS: whole(0, 2).default(1),
};

export const MQTT = defineSource<MqttConfig, typeof variables>({
  name: "mqtt",
  flags: ["--mqtt", "--both"],
  variables,
  addresses: ["BROKER_HOST", "MQTT_BROKER"],
  unusedWithoutAddress: ["BROKER_TOPIC"],
  help: `MQTT
  BROKER_HOST                          host, host:port, or a mqtt://, mqtts://, ws://, wss:// URL
  MQTT_BROKER, MQTT_PORT               the same, in two variables
  BROKER_TOPIC                         topics, joined by commas: #
  MQTT_USERNAME, MQTT_PASSWORD, MQTT_CA_PATH, MQTT_CLIENT_ID, MQTT_QOS (1)`,
  section(vars, { problem }) {
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
  },
  summary: ({ url, topics }) => `mqtt ${url.split("?")[0]} (${topics.join(", ")})`,
  worker: new URL("./worker.ts", import.meta.url),
  isLeased: (mode) => mode === "lease",
  workerConfig(section, names): MqttSourceConfig {
    const { ingestMode } = names.config;
    const base = clientIdOf(section, names);
    return {
      ...brokerOf(section),
      topics: topicsOf(section.topics, names),
      // A single client id per deployment keeps its session; several instances need separate ids.
      clientId: ingestMode === "lease" ? base : `${base}-${names.instance}`,
      clean: ingestMode !== "lease",
    };
  },
});

/** The configuration of the connection that only publishes. */
export function publisherConfig(section: MqttConfig, names: InstanceNames): MqttSourceConfig {
  return {
    ...brokerOf(section),
    topics: [],
    clientId: `${clientIdOf(section, names)}-pub-${names.instance}`,
    clean: true,
  };
}

function brokerOf({ url, qos, username, password, caPath }: MqttConfig) {
  return { url, qos, username, password, caPath };
}

function clientIdOf(
  { clientId }: MqttConfig,
  { config: { shadow }, deploymentId }: InstanceNames,
): string {
  return `${clientId ?? `telecast-${deploymentId}`}${shadow ? "-shadow" : ""}`;
}

/** In shared mode the broker gives each message to one instance of the group. */
function topicsOf(
  topics: readonly string[],
  { config: { ingestMode, shadow }, deploymentId }: InstanceNames,
): readonly string[] {
  if (ingestMode !== "shared") return topics;
  const group = `telecast-${deploymentId}${shadow ? "-shadow" : ""}`;
  return topics.map((topic) => topic.startsWith("$share/") ? topic : `$share/${group}/${topic}`);
}
