/** Where a message came from. */

import type { InboundMessage } from "../../broker/messages/inbound_message.ts";
import type { SourceOffset } from "../../broker/messages/message.ts";

/** For logs, and for the device id where the payload names none. */
export interface Origin {
  readonly topic: string;
  /** Key of the Kafka record. */
  readonly key?: string | undefined;
  /** How far the upstream partition is read with this message. */
  readonly sourceOffset?: SourceOffset | undefined;
  /** Where the message is from a person and of no device: what was read of it. */
  readonly inbound?: InboundMessage | undefined;
  /** More for the log line of a message that is skipped, e.g. `partition=3 offset=17`. */
  readonly detail?: string | undefined;
}
