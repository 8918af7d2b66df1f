/** Replays from a cursor up to now, from the store if memory does not reach back that far. */

import type { Replay, ReplayStatus } from "./fanout.ts";
import type { Interest } from "../messages/interest.ts";
import type { Epoch, Publication } from "../messages/message.ts";
import type { MessageLog } from "./message_log.ts";

/** What a store returns of its log: publications in order, and how far they reach. */
export interface StoredStretch {
  readonly found: readonly Publication[];
  /** Offset up to which the log was read; nothing of interest up to it is missing from `found`. */
  readonly reached: number;
  /** Oldest offset that is kept. If it is above the offset asked for, part of the log is gone. */
  readonly floor: number;
}

export type ReadStretch = (
  after: number,
  interest: Interest,
  maxBytes: number,
) => Promise<StoredStretch>;

/** The cursor does not belong to this log: nothing is replayed. */
export class NoReplay implements Replay {
  readonly status = "none";
  constructor(private readonly log: MessageLog) {}
  get at(): number {
    return this.log.position;
  }
  next(): readonly Publication[] {
    return [];
  }
}

export interface LogReplayOptions {
  /** Offset of the cursor. */
  readonly at: number;
  readonly floor: () => number;
  readonly epoch: () => Epoch;
}

/** Reads the log forward; reports `partial` as soon as something is known to be gone. */
export class LogReplay implements Replay {
  #status: ReplayStatus = "full";
  #at: number;
  #epoch: Epoch;

  constructor(
    private readonly log: MessageLog,
    private readonly interest: Interest,
    private readonly read: ReadStretch | undefined,
    private readonly options: LogReplayOptions,
  ) {
    this.#at = options.at;
    this.#epoch = options.epoch();
    this.#skipTo(options.floor() - 1);
  }

  get status(): ReplayStatus {
    return this.#status;
  }

  get at(): number {
    return this.#at;
  }

  next(maxBytes: number): readonly Publication[] | Promise<readonly Publication[]> {
    if (this.#epoch !== this.options.epoch()) this.#beginAnew();
    const recent = this.log.after(this.at, this.interest, maxBytes);
    if (!recent) return this.#fromStore(maxBytes);
    this.#at = recent.reached;
    return recent.found;
  }

  async #fromStore(maxBytes: number): Promise<readonly Publication[]> {
    if (!this.read) {
      this.#skipTo(this.log.start);
      return [];
    }
    const { found, reached, floor } = await this.read(this.at, this.interest, maxBytes);
    if (this.#epoch !== this.options.epoch()) {
      this.#beginAnew();
      return [];
    }
    // What was read precedes what is gone by now.
    this.#at = Math.max(this.at, reached);
    this.#skipTo(floor - 1);
    return found;
  }

  /**
   * Another epoch began: its offsets say nothing about those of the previous epoch, which are gone.
   */
  #beginAnew(): void {
    this.#epoch = this.options.epoch();
    this.#at = this.options.floor() - 1;
    this.#status = "partial";
  }

  #skipTo(offset: number): void {
    if (offset <= this.at) return;
    this.#status = "partial";
    this.#at = offset;
  }
}
