/** Limits from the CONNACK of an MQTT 5 broker, which may disconnect clients that exceed them. */

import { Buffer } from "node:buffer";

export interface BrokerLimits {
  /** Unacknowledged QoS 1 and 2 messages at one time. */
  readonly receiveMaximum?: number;
  /** In bytes. */
  readonly maximumPacketSize?: number;
  readonly maximumQoS?: number;
}

export interface PublishSize {
  readonly topic: string;
  readonly payloadBytes: number;
  readonly qos: number;
}

const PACKET_TOO_LARGE = 149;
const QOS_NOT_SUPPORTED = 155;
/** The rest of a PUBLISH besides topic and payload: header, lengths, packet id, content type. */
const OVERHEAD_BYTES = 64;

/** The MQTT 5 reason code for a message that exceeds the limits; undefined if it does not. */
export function beyondLimits(
  { maximumPacketSize, maximumQoS }: BrokerLimits,
  { topic, payloadBytes, qos }: PublishSize,
): number | undefined {
  if (maximumQoS !== undefined && qos > maximumQoS) return QOS_NOT_SUPPORTED;
  if (maximumPacketSize === undefined) return undefined;
  const bytes = payloadBytes + Buffer.byteLength(topic) + OVERHEAD_BYTES;
  return bytes > maximumPacketSize ? PACKET_TOO_LARGE : undefined;
}
