/** Where a message came from. */

import type { InboundMessage } from "../../broker/messages/inbound_message.ts";
import type { SourceOffset } from "../../broker/messages/message.ts";

/** For logs, and for the device id if the payload has none. */
export interface Origin {
  readonly topic: string;
  /** Key of the Kafka record. */
  readonly key?: string | undefined;
  /** The offset of this message in its upstream partition. */
  readonly sourceOffset?: SourceOffset | undefined;
  /** The parsed message, if it is from a person and not from a device. */
  readonly inbound?: InboundMessage | undefined;
  /** Details for the log line of a skipped message, e.g. `partition=3 offset=17`. */
  readonly detail?: string | undefined;
}
