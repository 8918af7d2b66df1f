/** What an MQTT 5 broker says in its CONNACK that it takes; it may disconnect over anything else. */

import { Buffer } from "node:buffer";

export interface BrokerLimits {
  /** QoS 1 and 2 messages without an ack at one time. */
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
/** Of a PUBLISH, beside topic and payload: header, lengths, packet id, content type. */
const OVERHEAD_BYTES = 64;

/** The reason code of MQTT 5 for a message that is beyond the limits; undefined if none is. */
export function beyondLimits(
  { maximumPacketSize, maximumQoS }: BrokerLimits,
  { topic, payloadBytes, qos }: PublishSize,
): number | undefined {
  if (maximumQoS !== undefined && qos > maximumQoS) return QOS_NOT_SUPPORTED;
  if (maximumPacketSize === undefined) return undefined;
  const bytes = payloadBytes + Buffer.byteLength(topic) + OVERHEAD_BYTES;
  return bytes > maximumPacketSize ? PACKET_TOO_LARGE : undefined;
}
