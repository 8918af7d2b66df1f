/** Shared by the tests of the MQTT source: an embedded broker, a publisher, a source. */

import { EmbeddedBroker } from "../../../ingest/demo/broker.ts";
import { MqttSource, type MqttSourceConfig } from "../../../ingest/mqtt/source.ts";
import { eventually } from "../../kit/eventually.ts";
import { MqttPublisher } from "../../kit/clients/mqtt_publisher.ts";
import { SourceProbe } from "../runtime/source_probe.ts";

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

/** Breaks a client's connection without a DISCONNECT. */
export function drop(broker: EmbeddedBroker, clientId = CLIENT_ID): void {
  clientOf(broker, clientId).conn.destroy();
}

/** Runs `act` and waits until the broker has received `count` acks from the source. */
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

/** CONNACK of MQTT 5: accepted, no session, no properties. */
export const CONNACK_5 = [0x20, 3, 0, 0, 0];

/** A broker that answers each packet with the bytes that `answer` returns for it. */
export function scripted(answer: (packet: Uint8Array) => number[] | undefined) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serve = async (connection: Deno.Conn) => {
    const buffer = new Uint8Array(65_536);
    let unread = new Uint8Array();
    try {
      for (let n = await connection.read(buffer); n; n = await connection.read(buffer)) {
        unread = new Uint8Array([...unread, ...buffer.subarray(0, n)]);
        for (let size = packetSize(unread); size > 0; size = packetSize(unread)) {
          const bytes = answer(unread.slice(0, size));
          unread = unread.slice(size);
          if (bytes) await connection.write(new Uint8Array(bytes));
        }
      }
    } catch {
      // Reset by the other side.
    }
    connection.close();
  };
  const serving = (async () => {
    const all: Promise<void>[] = [];
    for await (const connection of listener) all.push(serve(connection));
    await Promise.all(all);
  })();
  return {
    url: `mqtt://127.0.0.1:${listener.addr.port}`,
    async [Symbol.asyncDispose]() {
      listener.close();
      await serving;
    },
  };
}

/** Size of the first packet with its header; 0 while the packet is incomplete. */
function packetSize(bytes: Uint8Array): number {
  let length = 0;
  for (let i = 1; i < Math.min(bytes.length, 5); i++) {
    length += (bytes[i]! & 0x7f) << (7 * (i - 1));
    if (bytes[i]! < 0x80) return bytes.length > i + length ? i + 1 + length : 0;
  }
  return 0;
}
