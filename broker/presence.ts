/** Which devices are online, and when that changes. */

import type { MessageLog } from "./message_log.ts";

export type PresenceState = "online" | "stale";

/** A device is online from a message on, until `staleMs` have passed without another. */
export class Presence {
  readonly #online = new Set<string>();
  #nextSweep = 0;

  constructor(
    private readonly log: MessageLog,
    private readonly options: {
      staleMs: number;
      onChange: (deviceId: string, state: PresenceState) => void;
    },
  ) {}

  /** Takes the devices that the log knows from before this instance began. */
  start(): void {
    const now = Date.now();
    for (const { deviceId, time } of this.log.lastOfAll()) {
      if (now - time <= this.options.staleMs) this.#online.add(deviceId);
    }
  }

  /** A message of the device arrived. */
  seen(deviceId: string): void {
    if (this.#online.has(deviceId)) return;
    this.#online.add(deviceId);
    this.options.onChange(deviceId, "online");
  }

  of(deviceId: string): PresenceState {
    return this.#online.has(deviceId) ? "online" : "stale";
  }

  /** Finds the devices that have fallen silent; to be called every second. */
  sweep(): void {
    const now = Date.now();
    if (now < this.#nextSweep) return;
    // A look at every device costs the more, the less it matters to be exact.
    this.#nextSweep = now + Math.max(1000, this.options.staleMs / 60) - 500;
    for (const deviceId of this.#online) {
      const last = this.log.lastOf(deviceId);
      if (last && now - last.time <= this.options.staleMs) continue;
      this.#online.delete(deviceId);
      this.options.onChange(deviceId, "stale");
    }
  }
}
