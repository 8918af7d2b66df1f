/** The buffer for messages that could not be published yet: its interface and guarantees. */

/** A message to AWS IoT Core. */
export interface Outbound {
  /** Identifies the message across restarts and repeats. */
  readonly id: string;
  readonly topic: string;
  readonly payload: string;
  readonly deviceId: string;
  /** Whether it joins the stream after its ack. */
  readonly joinsStream: boolean;
  /** When it was accepted, in ms since 1970. */
  readonly at: number;
}

export interface Stored {
  /** Increases by one with every message; only removals leave gaps. */
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

/** Reports how many of the oldest messages were dropped, and why. */
export type OnDropped = (count: number, reason: "too many" | "too old") => void;

/**
 * A queue of messages.
 *
 * - Order: the messages of one append() keep their order and come after all earlier messages.
 * - Durability: append() resolves when its messages are as durable as the implementation makes
 *   them; then each is in the buffer once. If it rejects, they are not in the buffer, or it is
 *   unknown whether they are.
 * - Bounds: the oldest messages are dropped to make room for new ones, and messages that are too
 *   old are dropped when they are read. Both are counted.
 */
export interface OutboundBuffer {
  /** Whether other instances write to it too. */
  readonly shared: boolean;
  /** Appends the messages and returns their `seq` numbers. One call at a time. */
  append(messages: readonly Outbound[]): Promise<number[]>;
  /** The oldest messages with a `seq` above `after`. */
  page(after: number, limit: number): Promise<Stored[]>;
  remove(seqs: readonly number[]): Promise<void>;
  /** How many messages wait, as far as known. */
  readonly size: number;
}
