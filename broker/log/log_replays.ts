/** Checks cursors and prepares the replays after them. */

import type { Clock } from "../../lib/clock.ts";
import type { Replay } from "./fanout.ts";
import type { Interest } from "../messages/interest.ts";
import type { LogView } from "./log_view.ts";
import type { MemoryFallback } from "./memory_fallback.ts";
import { parseCursor, type Position } from "../messages/message.ts";
import { LogReplay, NoReplay, type StoredStretch } from "./replay.ts";

export interface LogReplaysOptions {
  readonly view: LogView;
  readonly memory: MemoryFallback;
  readonly clock: Clock;
  readonly closed: AbortSignal;
  /** Called if the log continues beyond what this instance has read: it must be read. */
  readonly onAhead: () => void;
}

export class LogReplays {
  constructor(private readonly options: LogReplaysOptions) {}

  /** Oldest offset that is kept. */
  get floor(): number {
    const { view: { head, log }, memory } = this.options;
    return memory.active ? Math.max(head.floor, log.start + 1) : head.floor;
  }

  async since(cursor: string, interest: Interest, signal: AbortSignal): Promise<Replay> {
    const { view } = this.options;
    const position = parseCursor(cursor);
    if (!position || !await this.#isKept(position, signal)) return new NoReplay(view.log);
    return new LogReplay(view.log, interest, this.#read, {
      at: position.offset,
      floor: () => this.floor,
      epoch: () => view.epoch,
    });
  }

  #read = async (after: number, interest: Interest, maxBytes: number): Promise<StoredStretch> => {
    const { view, memory } = this.options;
    if (memory.active) return { found: [], reached: after, floor: this.floor };
    const { epoch } = view;
    return await view.reader.stretch(after, view.log.position + 1, { epoch, interest, maxBytes });
  };

  /** Checks a cursor beyond what this instance has seen against the head in the store. */
  async #isKept({ epoch, offset }: Position, signal: AbortSignal): Promise<boolean> {
    const { view, memory, clock, closed, onAhead } = this.options;
    const ahead = () => epoch !== view.epoch.id || offset > view.log.position;
    if (!ahead()) return true;
    for (let tries = 0; ahead(); tries++) {
      if (signal.aborted || closed.aborted || memory.active) return false;
      const now = await view.reader.head().catch(() => undefined);
      if (now) {
        if (now.head.epoch !== epoch || now.head.next <= offset) return false;
        // The store has the offset: the loop will have read up to it shortly.
        onAhead();
      }
      await clock.sleep(Math.min(1000, 2 ** tries), signal);
    }
    return true;
  }
}
