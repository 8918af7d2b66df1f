/** What the tests of the MQTT source share: an embedded broker, a publisher, a source. */

import { EmbeddedBroker } from "../../ingest/demo/broker.ts";
import { MqttSource, type MqttSourceConfig } from "../../ingest/mqtt/source.ts";
import { eventually } from "../kit/eventually.ts";
import { MqttPublisher } from "../kit/mqtt_publisher.ts";
import { SourceProbe } from "./source_probe.ts";

export const CLIENT_ID = "telecast-test";

export function startBroker(port = 0): Promise<EmbeddedBroker> {
  return EmbeddedBroker.start({ host: "127.0.0.1", port });
}

export function publisher(url: string): Promise<MqttPublisher> {
  return MqttPublisher.connect(url, { protocolVersion: 4 });
}

export function probe(
  url: string,
  config: Partial<MqttSourceConfig> = {},
  previousTopics?: readonly string[],
): SourceProbe {
  const whole: MqttSourceConfig = {
    url,
    clientId: CLIENT_ID,
    clean: false,
    topics: ["#"],
    qos: 1,
    backoff: { minMs: 20, maxMs: 100 },
    ...config,
  };
  return new SourceProbe((context) => new MqttSource(whole, context), previousTopics);
}

interface AedesClient {
  readonly conn: { destroy(): void };
  readonly _parser: {
    on(event: "packet", listener: (packet: { cmd: string; messageId: number }) => void): void;
  };
}

export function clientOf(broker: EmbeddedBroker, clientId = CLIENT_ID): AedesClient {
  const { clients } = broker.aedes as unknown as { clients: Record<string, AedesClient> };
  return clients[clientId]!;
}

/** Breaks a client's connection, without a goodbye. */
export function drop(broker: EmbeddedBroker, clientId = CLIENT_ID): void {
  clientOf(broker, clientId).conn.destroy();
}

/** Does something, and waits until the broker got so many acks of the source. */
export async function untilAcked(
  broker: EmbeddedBroker,
  act: () => unknown,
  count = 1,
): Promise<void> {
  let acks = 0;
  const onAck = () => acks++;
  broker.aedes.on("ack", onAck);
  await act();
  await eventually(`${count} acks`, () => acks >= count);
  broker.aedes.off("ack", onAck);
}
