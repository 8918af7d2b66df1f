/** Where messages wait that could not be published: the interface and its laws. */

/** A message on its way to AWS IoT Core. */
export interface Outbound {
  /** Names it over restarts and repeats. */
  readonly id: string;
  readonly topic: string;
  readonly payload: string;
  readonly deviceId: string;
  /** It joins the stream after its ack. */
  readonly joinsStream: boolean;
  /** When it was accepted, in ms since 1970. */
  readonly at: number;
}

export interface Stored {
  /** Rises with every message, dense but for what was removed. */
  readonly seq: number;
  readonly message: Outbound;
}

export interface BufferLimits {
  /** The oldest messages beyond it are dropped. */
  readonly maxMessages: number;
  /** Older messages are dropped. */
  readonly maxAgeMs: number;
}

export const BUFFER_LIMITS: BufferLimits = { maxMessages: 10_000, maxAgeMs: 24 * 3_600_000 };

/** Tells how many messages were dropped, oldest first, and why. */
export type OnDropped = (count: number, reason: "too many" | "too old") => void;

/**
 * A queue of messages.
 *
 * - Order: what one append() brings stays in its order, after all that was there.
 * - Durability: append() resolves when its messages survive what the implementation survives. Where
 *   it rejects, they are not in the buffer, or nobody can tell; where it resolves, each is there once.
 * - Bounds: the oldest messages give way to new ones, and those too old are dropped when they are
 *   read; both are counted.
 */
export interface OutboundBuffer {
  /** Whether others write to it too. */
  readonly shared: boolean;
  /** Appends the messages and returns their places. One call at a time. */
  append(messages: readonly Outbound[]): Promise<number[]>;
  /** The oldest messages with a `seq` above `after`. */
  page(after: number, limit: number): Promise<Stored[]>;
  remove(seqs: readonly number[]): Promise<void>;
  /** How many wait, as far as is known. */
  readonly size: number;
}
