/** The distribution of messages, on one instance or between many: the interface and its laws. */

import type { Entry, Epoch, Publication } from "../messages/message.ts";
import type { MessageLog } from "./message_log.ts";
import type { Interest } from "../messages/interest.ts";

/**
 * - `full`: everything after the cursor is or was replayed.
 * - `partial`: part of what came after the cursor is no longer kept.
 * - `none`: the cursor is not of this log; nothing is replayed.
 */
export type ReplayStatus = "full" | "partial" | "none";

/** Whether the log can be written, as readiness, metrics and logs show it. */
export type FanoutState =
  | { readonly state: "starting" }
  | { readonly state: "ready" }
  /** Nothing can be stored for `reason`; publishes wait. */
  | { readonly state: "away"; readonly reason: string; readonly since: number }
  /** The log goes on in memory alone: nothing that it holds survives a restart. */
  | { readonly state: "memory"; readonly reason: string; readonly since: number };

/** What a fanout tells its one listener. */
export interface FanoutListener {
  /** Publications in the order of their offsets, each exactly once, none left out. */
  onPublications(batch: readonly Publication[]): void;
  /** Offsets from here on belong to another epoch, or some were lost: sessions must start anew. */
  onReset(reason: string): void;
  onState?(state: FanoutState): void;
}

export interface PublishOptions {
  /** From a source under the ingest lease: refused once another instance has taken the lease. */
  readonly leased?: boolean;
}

/** Another instance consumes the sources now: what was to be published is its to publish. */
export class LeaseLostError extends Error {
  override readonly name = "LeaseLostError";
}

/**
 * Distributes messages to every instance, in one order.
 *
 * - Order: all instances see one sequence of publications; messages of one publish() keep their
 *   order in it, and so do the messages of successive publish() calls of one instance.
 * - Durability: publish() resolves when its messages survive what the implementation survives; a
 *   message whose publish() has not resolved may still appear, once.
 * - Repeats: a message equal in device, uuid and bytes to a recent one is dropped, with its job,
 *   and counts as published. Without uuid nothing is a repeat.
 * - A failure never surfaces as a lost message: publish() waits while the store is away, and
 *   rejects only once the fanout is closed, or with a LeaseLostError.
 */
export interface Fanout extends AsyncDisposable {
  /** Resolves when the log's position is known and `log.last` is complete. Called once. */
  start(listener: FanoutListener): Promise<void>;
  publish(batch: readonly Entry[], options?: PublishOptions): Promise<void>;
  /** What this instance has in memory: recent publications, and the last one of each device. */
  readonly log: MessageLog;
  readonly epoch: Epoch;
  /** Oldest offset that is kept; the one after the newest where nothing is. */
  readonly floor: number;
  /** Names the deployment: all instances that share the log, over restarts. */
  readonly deploymentId: string;
  readonly state: FanoutState;
  /** Messages that were published here and stored, less repeats, since the start. */
  readonly stored: number;
  /** Entries that wait for their append. */
  readonly pending: number;
  /**
   * Judges a cursor and prepares what came after it. A cursor beyond this instance's position is
   * judged by the store, and waits while the store is away, until `signal` aborts.
   */
  since(cursor: string, interest: Interest, signal: AbortSignal): Promise<Replay>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A way through the log from a cursor to now. Used by one reader, one call at a time. */
export interface Replay {
  /** May fall from `full` to `partial` while it runs. */
  readonly status: ReplayStatus;
  /** Offset up to which everything was returned. */
  readonly at: number;
  /**
   * The next publications that are of interest, at most about `maxBytes` of them. Where the rest of
   * the log is in memory it is returned without waiting, so that a reader that finds
   * `at === log.position` afterwards, and attaches itself in the same tick, has no gap.
   */
  next(maxBytes: number): readonly Publication[] | Promise<readonly Publication[]>;
}
