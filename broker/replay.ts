/** The way from a cursor to now, through the store where memory does not reach back. */

import type { Replay, ReplayStatus } from "./fanout.ts";
import type { Interest } from "./interest.ts";
import type { Publication } from "./message.ts";
import type { MessageLog } from "./message_log.ts";

/** What a store returns of its log: publications in order, and how far they reach. */
export interface StoredStretch {
  readonly found: readonly Publication[];
  /** Offset up to which the log was read; nothing of interest up to it is missing from `found`. */
  readonly reached: number;
  /** Oldest offset that is kept. Above the one asked for, part of the log is gone. */
  readonly floor: number;
}

export type ReadStretch = (
  after: number,
  interest: Interest,
  maxBytes: number,
) => Promise<StoredStretch>;

/** A cursor that is not of this log: nothing is replayed. */
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

/** Reads the log forward; says `partial` as soon as something is known to be gone. */
export class LogReplay implements Replay {
  #status: ReplayStatus = "full";

  constructor(
    private readonly log: MessageLog,
    private readonly interest: Interest,
    private readonly read: ReadStretch | undefined,
    private position: { at: number; floor: () => number },
  ) {
    this.#skipTo(position.floor() - 1);
  }

  get status(): ReplayStatus {
    return this.#status;
  }

  get at(): number {
    return this.position.at;
  }

  next(maxBytes: number): readonly Publication[] | Promise<readonly Publication[]> {
    const recent = this.log.after(this.at, this.interest, maxBytes);
    if (!recent) return this.#fromStore(maxBytes);
    this.position.at = recent.reached;
    return recent.found;
  }

  async #fromStore(maxBytes: number): Promise<readonly Publication[]> {
    if (!this.read) {
      this.#skipTo(this.log.start);
      return [];
    }
    const { found, reached, floor } = await this.read(this.at, this.interest, maxBytes);
    this.#skipTo(floor - 1);
    this.position.at = Math.max(this.at, reached);
    return found;
  }

  #skipTo(offset: number): void {
    if (offset <= this.at) return;
    this.#status = "partial";
    this.position.at = offset;
  }
}
