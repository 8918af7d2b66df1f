/** How long the outbox waits, and for how much. */

import { MAX_IN_FLIGHT } from "./settings.ts";

export interface OutboxLimits {
  /** A message that is not acknowledged by then goes into the buffer. */
  readonly ackMs: number;
  /** The buffer has so long to take it. */
  readonly bufferMs: number;
  readonly maxInFlight: number;
  /** Messages that wait in memory for their turn; more go into the buffer. */
  readonly maxWaiting: number;
  /** How often the buffer is looked at for what other instances have put there. */
  readonly pollMs: number;
}

export const OUTBOX_LIMITS: OutboxLimits = {
  maxInFlight: MAX_IN_FLIGHT,
  ackMs: 4_000,
  bufferMs: 4_000,
  maxWaiting: 500,
  pollMs: 1_000,
};
