/** What an upstream connection is to the program: one file for each kind, behind one interface. */

import type { Job } from "../../broker/messages/message.ts";
import type { Origin } from "../messages/origin.ts";

/** `position` is what was handed over with it, 0 where nothing was. */
export type Ack = (position: number) => void;

/**
 * Where a source hands over what it receives. It never throws and never blocks: a source that can
 * hold its upstream back asks {@linkcode Intake.ready} first.
 */
export interface Intake {
  /**
   * Takes one message as it came; `origin` is not kept. `ack` is called once, in the order of the
   * calls, when the message is stored or was found to be unusable; never if the worker dies before.
   * Messages that follow each other may have one `ack` in common: it is called with the `position` of
   * the last of them that is done, and not for each.
   */
  receive(bytes: Uint8Array, origin: Origin, ack?: Ack, position?: number): void;
  /** Undefined while there is credit; otherwise resolves when there is some again. */
  ready(): Promise<void> | undefined;
  /** Counts messages that the source had to let go, e.g. QoS 0 while nothing can be stored. */
  dropped(count: number, reason: string): void;
  /** Writes a line into the program's log, under the source's name. Never with a secret. */
  log(level: SourceLogLevel, text: string): void;
}

export type SourceLogLevel = "debug" | "info" | "warning" | "error";

/** What one kind of source can tell beyond its state and its counters; goes into the stats as is. */
export type SourceDetail = Readonly<Record<string, unknown>>;

/** The connection of a source, as stats, logs and readiness show it. */
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

/** An upstream connection. Made idle; lives from {@linkcode start} to {@linkcode stop}. */
export interface Source {
  /** Connects, and reconnects for ever; resolves at once. Says its state through `onState`. */
  start(intake: Intake, onState: (state: SourceState) => void): void;
  /** Resolves after the broker's ack; rejects where there is none within `timeoutMs`. */
  publish?(message: Outgoing, timeoutMs: number): Promise<void>;
  /** Asked for with every heartbeat; undefined while there is nothing to tell. */
  detail?(): SourceDetail | undefined;
  /** Says goodbye to the broker. Nothing is received after it resolves. */
  stop(): Promise<void>;
}

/** A source that is not the program's own. */
export interface OwnSource {
  /** Letters and underscores; shown in logs, stats and metrics. */
  readonly name: string;
  /** A module that calls `runSource()`. */
  readonly worker: URL;
  /** What the worker's `create()` gets; has to survive a structured clone. */
  readonly config: unknown;
}

/** What a source is made with, beside its configuration. */
export interface SourceContext {
  /** Topics that the kept session at the broker may still be subscribed to. */
  readonly previousTopics: readonly string[];
  /** To be called, before a topic is added and after one is removed, with all of them. */
  onSubscribed(topics: readonly string[]): void;
}

/** How a checked message turns into work, decided where its JSON is at hand. */
export type JobOf = (value: unknown, origin: Origin) => Job | undefined;
