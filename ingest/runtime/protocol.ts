/** The messages between the main thread and a source's worker. */

import type { InboundMessage } from "../../broker/messages/inbound_message.ts";
import type { Job } from "../../broker/messages/message.ts";
import type { CheckOptions } from "../messages/check.ts";
import type { Outgoing, SourceDetail, SourceLogLevel, SourceState } from "./source.ts";

/** Limits on what a worker hands over before it is stored. */
export interface IntakeLimits {
  /** Messages in one batch. */
  readonly maxBatchMessages: number;
  /** Batches that wait for `stored` at one time. */
  readonly maxBatches: number;
  /** Bytes of payload that wait for `stored`, here or in the main thread, at one time. */
  readonly maxBytes: number;
  /** While fewer batches wait, a batch is posted at the end of the turn, however small it is. */
  readonly eagerBatches: number;
}

/** The configuration of a worker; must survive a structured clone. */
export interface WorkerConfig {
  /** The source's own part, e.g. an `MqttSourceConfig`. */
  readonly source: unknown;
  readonly check: CheckOptions;
  /** URLs of modules to import first: they register message types. */
  readonly modules?: readonly string[] | undefined;
  readonly limits?: Partial<IntakeLimits> | undefined;
  readonly heartbeatMs?: number | undefined;
}

/** Messages in columns: plain strings cross threads several times faster than objects. */
export interface Batch {
  readonly deviceIds: string[];
  readonly payloads: string[];
  /** Fingerprints of payloads with a uuid, undefined for others; left out if there are none. */
  readonly fingerprints?: (number | undefined)[];
  readonly jobs?: (Job | undefined)[];
  readonly sourceOffsets?: readonly OffsetRun[];
  readonly inbound?: (InboundMessage | undefined)[];
}

/** Source offsets of consecutive messages: one object each would cost as much as the payloads. */
export interface OffsetRun {
  readonly key: readonly string[];
  /** Index of the first message in the batch. */
  readonly from: number;
  readonly offsets: number[];
}

/** Running totals of one source, since its worker started. */
export interface SourceCounters {
  /** Messages received from upstream, good or bad. */
  received: number;
  /** Messages skipped: not JSON, no device id, too large. */
  malformed: number;
  /** Messages that upstream will not send again and that could not be kept. */
  dropped: number;
  /** Connections made after the first. */
  reconnects: number;
}

/** Milliseconds since 1970, finer than Date.now(), and comparable between threads. */
export function epochMs(): number {
  return performance.timeOrigin + performance.now();
}

export type ToWorker =
  | {
    readonly type: "start";
    readonly config: WorkerConfig;
    /** Topics that the kept session at the broker may still be subscribed to. */
    readonly previousTopics: readonly string[];
  }
  /** The batches up to `batch` are stored. */
  | { readonly type: "stored"; readonly batch: number }
  | {
    readonly type: "publish";
    readonly id: number;
    readonly message: Outgoing;
    readonly timeoutMs: number;
  }
  | { readonly type: "stop" };

export type FromWorker =
  /** The worker's code is loaded; it waits for `start`. */
  | { readonly type: "loaded" }
  | {
    readonly type: "batch";
    readonly batch: number;
    readonly messages: Batch;
    /** When its first message arrived, and when it was posted, by {@linkcode epochMs}. */
    readonly receivedAt: number;
    readonly postedAt: number;
  }
  | { readonly type: "state"; readonly state: SourceState }
  /** Sent every second by default, with the totals. A silent worker hangs or is gone. */
  | {
    readonly type: "heartbeat";
    readonly counters: SourceCounters;
    readonly detail?: SourceDetail | undefined;
  }
  /** All topics that the kept session may be subscribed to from now on. */
  | { readonly type: "subscribed"; readonly topics: readonly string[] }
  | {
    readonly type: "log";
    readonly level: SourceLogLevel;
    readonly text: string;
  }
  | { readonly type: "published"; readonly id: number; readonly error?: string }
  /** An uncaught error: the worker can no longer be trusted. */
  | {
    readonly type: "failed";
    readonly reason: string;
    /** With its stack, as written by `Fault`. */
    readonly fault: string;
  }
  | { readonly type: "stopped" };
