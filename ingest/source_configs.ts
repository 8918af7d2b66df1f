/** What the program's sources are started with: client ids and groups by the ingest mode. */

import type { Config } from "../config.ts";
import type { KafkaConfig } from "./kafka/declaration.ts";
import type { KafkaSourceConfig } from "./kafka/source.ts";
import type { MqttConfig } from "./mqtt/declaration.ts";
import type { MqttSourceConfig } from "./mqtt/source.ts";

export interface InstanceNames {
  readonly config: Pick<Config, "ingestMode" | "shadow">;
  readonly instance: string;
  readonly deploymentId: string;
}

export function mqttSourceConfig(mqtt: MqttConfig, names: InstanceNames): MqttSourceConfig {
  const { ingestMode } = names.config;
  const base = mqttClientId(mqtt, names);
  return {
    ...brokerOf(mqtt),
    topics: mqttTopics(mqtt.topics, names),
    // One client id for the deployment keeps its session; several instances need their own.
    clientId: ingestMode === "lease" ? base : `${base}-${names.instance}`,
    clean: ingestMode !== "lease",
  };
}

/** Of the connection that only publishes. */
export function mqttPublisherConfig(mqtt: MqttConfig, names: InstanceNames): MqttSourceConfig {
  return {
    ...brokerOf(mqtt),
    topics: [],
    clientId: `${mqttClientId(mqtt, names)}-pub-${names.instance}`,
    clean: true,
  };
}

export function kafkaSourceConfig(
  kafka: KafkaConfig,
  { config: { ingestMode, shadow }, instance }: InstanceNames,
): KafkaSourceConfig {
  const suffix = shadow ? "-shadow" : "";
  // A group of its own reads everything; a shared one spreads the partitions.
  const own = ingestMode === "all" ? `-${instance}` : "";
  return {
    ...kafka,
    groupId: `${kafka.groupId}${own}${suffix}`,
    clientId: `telecast-${instance}${suffix}`,
  };
}

function brokerOf({ url, qos, username, password, caPath }: MqttConfig) {
  return { url, qos, username, password, caPath };
}

function mqttClientId(
  { clientId }: MqttConfig,
  { config: { shadow }, deploymentId }: InstanceNames,
): string {
  return `${clientId ?? `telecast-${deploymentId}`}${shadow ? "-shadow" : ""}`;
}

/** Where all instances consume in common, the broker deals each message to one of them. */
function mqttTopics(
  topics: readonly string[],
  { config: { ingestMode, shadow }, deploymentId }: InstanceNames,
): readonly string[] {
  if (ingestMode !== "shared") return topics;
  const group = `telecast-${deploymentId}${shadow ? "-shadow" : ""}`;
  return topics.map((topic) => topic.startsWith("$share/") ? topic : `$share/${group}/${topic}`);
}
