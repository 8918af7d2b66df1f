/** Which devices are online, and when that changes. */

import type { MessageLog } from "./message_log.ts";

export type PresenceState = "online" | "stale";

export interface PresenceOptions {
  readonly staleMs: number;
  readonly onChange: (deviceId: string, state: PresenceState) => void;
  /** Milliseconds that only rise. */
  readonly now?: () => number;
}

/**
 * A device is online from a message on, until `staleMs` have passed without another. Silence is
 * measured by this instance's own clock: that of the message's writer may be another.
 */
export class Presence {
  /** When each device that is online was heard of last. */
  readonly #heard = new Map<string, number>();
  readonly #now: () => number;
  #nextSweep = 0;

  constructor(private readonly log: MessageLog, private readonly options: PresenceOptions) {
    this.#now = options.now ?? (() => performance.now());
  }

  /** Takes the devices that the log knows from before this instance began. */
  start(): void {
    const now = this.#now();
    const wall = Date.now();
    for (const { deviceId, time } of this.log.lastOfAll()) {
      const agoMs = Math.max(0, wall - time);
      if (agoMs < this.options.staleMs && !this.#heard.has(deviceId)) {
        this.#heard.set(deviceId, now - agoMs);
      }
    }
  }

  /** Messages of these devices arrived. */
  seen(messages: Iterable<{ readonly deviceId: string }>): void {
    const now = this.#now();
    for (const { deviceId } of messages) {
      const isNew = !this.#heard.has(deviceId);
      this.#heard.set(deviceId, now);
      if (isNew) this.options.onChange(deviceId, "online");
    }
  }

  of(deviceId: string): PresenceState {
    return this.#heard.has(deviceId) ? "online" : "stale";
  }

  /** Finds the devices that have fallen silent; to be called every second. */
  sweep(): void {
    const now = this.#now();
    if (now < this.#nextSweep) return;
    // A look at every device costs the more, the less it matters to be exact.
    this.#nextSweep = now + Math.max(1000, this.options.staleMs / 60) - 500;
    for (const [deviceId, heard] of this.#heard) {
      if (now - heard < this.options.staleMs) continue;
      this.#heard.delete(deviceId);
      this.options.onChange(deviceId, "stale");
    }
  }
}
