/** What a client asked for, and what it saw. */

import type { Received } from "../kit/received.ts";

export type Mode = "all" | "batch" | "latest" | "rate";

/** Messages per second for each device, in the mode `rate`. */
export const MAX_RATE = 5;

export interface Start {
  /** The cursor that was given, if any. */
  readonly cursor: string | undefined;
  readonly snapshot: boolean;
  /** The instance's position. */
  readonly position: number;
}

export interface SentCommand {
  readonly action: "subscribe" | "unsubscribe";
  readonly deviceIds: readonly string[];
  readonly since?: string | undefined;
}

/** An event, with what the client cannot know: the instance's position, and when it was sent. */
export interface Seen extends Received {
  readonly position: number;
  readonly sentAt: number;
}
