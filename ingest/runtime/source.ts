/**
 * The interface of an upstream connection, implemented once for each kind of source.
 *
 * The runtime room: what all sources share, on both sides of a worker's port. It imports messages/,
 * broker/, config/, telemetry/ and lib/, and no kind of source.
 */

import type { Job } from "../../broker/messages/message.ts";
import type { Origin } from "../messages/origin.ts";

/** `position` is the one that was handed over with the message, or 0. */
export type Ack = (position: number) => void;

/**
 * Where a source hands over what it receives. It never throws or blocks: a source that can hold
 * back its upstream asks {@linkcode Intake.ready} first.
 */
export interface Intake {
  /**
   * Takes one message as received; `origin` is not kept. `ack` is called once, in the order of the
   * calls, when the message is stored or found to be unusable; never if the worker dies first.
   * Consecutive messages may share one `ack`: it is called with the `position` of the last message
   * that is done, not for each of them.
   */
  receive(bytes: Uint8Array, origin: Origin, ack?: Ack, position?: number): void;
  /** Undefined while there is credit; otherwise resolves when there is credit again. */
  ready(): Promise<void> | undefined;
  /** Counts messages that the source had to drop, e.g. QoS 0 while nothing can be stored. */
  dropped(count: number, reason: string): void;
  /** Writes a line into the program's log, under the source's name. Must not contain secrets. */
  log(level: SourceLogLevel, text: string): void;
}

export type SourceLogLevel = "debug" | "info" | "warning" | "error";

/** Details of a kind of source, beyond state and counters; shown unchanged in the stats. */
export type SourceDetail = Readonly<Record<string, unknown>>;

/** The state of a source's connection, as shown in stats, logs and readiness. */
export type SourceState =
  | { readonly state: "connecting" }
  | { readonly state: "connected"; readonly detail?: string | undefined }
  | {
    /** Not connected; tries again after `retryMs`. */
    readonly state: "waiting";
    readonly reason: string;
    readonly retryMs: number;
  }
  | { readonly state: "stopped" };

/** A message for the upstream broker. */
export interface Outgoing {
  readonly topic: string;
  readonly payload: string;
  readonly qos: 0 | 1 | 2;
}

/** An upstream connection. Idle until {@linkcode start}; runs until {@linkcode stop}. */
export interface Source {
  /** Connects, and reconnects forever; returns at once. Reports its state through `onState`. */
  start(intake: Intake, onState: (state: SourceState) => void): void;
  /** Resolves after the broker's ack; rejects if there is none within `timeoutMs`. */
  publish?(message: Outgoing, timeoutMs: number): Promise<void>;
  /** Read on every heartbeat; undefined while there is nothing to report. */
  detail?(): SourceDetail | undefined;
  /** Disconnects from the broker. Nothing is received after it resolves. */
  stop(): Promise<void>;
}

/** A source that is not built into the program. */
export interface OwnSource {
  /** Letters and underscores; shown in logs, stats and metrics. */
  readonly name: string;
  /** A module that calls `runSource()`. */
  readonly worker: URL;
  /** What the worker's `create()` gets; must survive a structured clone. */
  readonly config: unknown;
}

/** What a source gets in addition to its configuration. */
export interface SourceContext {
  /** Topics that the kept session at the broker may still be subscribed to. */
  readonly previousTopics: readonly string[];
  /** Must be called with all topics, before one is added and after one is removed. */
  onSubscribed(topics: readonly string[]): void;
}

/** Makes the job of a checked message, in the worker, which has its parsed JSON. */
export type JobOf = (value: unknown, origin: Origin) => Job | undefined;
