/**
 * Distributes messages on one instance or among many: the interface and its guarantees.
 *
 * The log room: the shared, ordered log, from append to replay. It imports store/, messages/,
 * config/, telemetry/ and lib/.
 */

import type { Entry, Epoch, Publication } from "../messages/message.ts";
import type { MessageLog } from "./message_log.ts";
import type { Interest } from "../messages/interest.ts";

/**
 * - `full`: everything after the cursor has been or will be replayed.
 * - `partial`: part of what came after the cursor is no longer kept.
 * - `none`: the cursor does not belong to this log; nothing is replayed.
 */
export type ReplayStatus = "full" | "partial" | "none";

/** Whether the log is writable, as readiness, metrics and logs show it. */
export type FanoutState =
  | { readonly state: "starting" }
  | { readonly state: "ready" }
  /** Nothing can be stored because of `reason`; publishes wait. */
  | { readonly state: "away"; readonly reason: string; readonly since: number }
  /** The log continues in memory only: its content does not survive a restart. */
  | { readonly state: "memory"; readonly reason: string; readonly since: number };

/** What a fanout reports to its one listener. */
export interface FanoutListener {
  /** Publications in the order of their offsets, each exactly once, without gaps. */
  onPublications(batch: readonly Publication[]): void;
  /** From here on, offsets belong to another epoch, or some were lost: sessions must start over. */
  onReset(reason: string): void;
  onState?(state: FanoutState): void;
}

export interface PublishOptions {
  /** From a source under the ingest lease: refused once another instance has taken the lease. */
  readonly leased?: boolean;
}

/** Another instance consumes the sources now and publishes their messages. */
export class LeaseLostError extends Error {
  override readonly name = "LeaseLostError";
}

/**
 * Distributes messages to every instance, in a single order.
 *
 * - Order: all instances see one sequence of publications; messages of one publish() keep their
 *   order in it, and so do the messages of successive publish() calls of one instance.
 * - Durability: publish() resolves when its messages are as durable as the implementation makes
 *   them; a message whose publish() has not resolved may still appear, once.
 * - Repeats: a message equal in device, uuid and bytes to a recent one is dropped, with its job,
 *   and counts as published. A message without a uuid is never a repeat.
 * - A failure never loses a message: publish() waits while the store is unavailable, and rejects
 *   only once the fanout is closed, or with a LeaseLostError.
 */
export interface Fanout extends AsyncDisposable {
  /** Resolves when the log's position is known and `log.last` is complete. Called once. */
  start(listener: FanoutListener): Promise<void>;
  publish(batch: readonly Entry[], options?: PublishOptions): Promise<void>;
  /** What this instance has in memory: recent publications, and the last one of each device. */
  readonly log: MessageLog;
  readonly epoch: Epoch;
  /** Oldest offset that is kept; if nothing is kept, the offset after the newest. */
  readonly floor: number;
  /** Identifies the deployment: all instances that share the log, across restarts. */
  readonly deploymentId: string;
  readonly state: FanoutState;
  /** Messages published here and stored since the start, without repeats. */
  readonly stored: number;
  /** Entries that wait to be appended. */
  readonly pending: number;
  /**
   * Checks a cursor and prepares the replay after it. A cursor beyond this instance's position is
   * checked against the store; while the store is unavailable, this waits until `signal` aborts.
   */
  since(cursor: string, interest: Interest, signal: AbortSignal): Promise<Replay>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Reads the log from a cursor up to now. Used by one reader, one call at a time. */
export interface Replay {
  /** May change from `full` to `partial` while the replay runs. */
  readonly status: ReplayStatus;
  /** Offset up to which everything has been returned. */
  readonly at: number;
  /**
   * The next publications of interest, about `maxBytes` at most. If the rest of the log is in
   * memory, they are returned without waiting, so a reader that then finds `at === log.position`
   * and attaches itself in the same tick has no gap.
   */
  next(maxBytes: number): readonly Publication[] | Promise<readonly Publication[]>;
}
