/** Time and size limits of the outbox. */

import { MAX_IN_FLIGHT } from "./settings.ts";

export interface OutboxLimits {
  /** A message that is not acknowledged within this time goes into the buffer. */
  readonly ackMs: number;
  /** How long the buffer may take to store it. */
  readonly bufferMs: number;
  readonly maxInFlight: number;
  /** Messages that may wait in memory; more go into the buffer. */
  readonly maxWaiting: number;
  /** How often the buffer is polled for messages of other instances. */
  readonly pollMs: number;
}

export const OUTBOX_LIMITS: OutboxLimits = {
  maxInFlight: MAX_IN_FLIGHT,
  ackMs: 4_000,
  bufferMs: 4_000,
  maxWaiting: 500,
  pollMs: 1_000,
};
