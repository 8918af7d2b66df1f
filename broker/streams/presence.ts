/** Tracks which devices are online, and reports changes. */

import { attempt } from "../../telemetry/fault.ts";
import type { MessageLog } from "../log/message_log.ts";

export type PresenceState = "online" | "stale";

export interface PresenceOptions {
  readonly staleMs: number;
  /** Called with several devices at a time. */
  readonly onChange: (deviceIds: readonly string[], state: PresenceState) => void;
  /** Monotonic time in milliseconds. */
  readonly now?: () => number;
  /** If it returns a promise, everything else that is due goes first. */
  readonly pause?: () => Promise<void> | undefined;
}

/** Devices that a sweep checks, or reports, before it lets everything else go first. */
const STEP_LOOKS = 4_096;
const STEP_CHANGES = 64;

/**
 * A device is online from its first message until `staleMs` pass without another. Silence is
 * measured with this instance's own clock, because the clock of the message's writer may differ.
 */
export class Presence {
  /** Time of the last message of each online device. */
  readonly #heard = new Map<string, number>();
  readonly #now: () => number;
  #nextSweep = 0;
  #isSweeping = false;

  constructor(private readonly log: MessageLog, private readonly options: PresenceOptions) {
    this.#now = options.now ?? (() => performance.now());
  }

  /** Loads the devices that the log knows from before this instance started. */
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

  /** Records that messages of these devices arrived. */
  seen(messages: Iterable<{ readonly deviceId: string }>): void {
    const now = this.#now();
    let online: string[] | undefined;
    for (const { deviceId } of messages) {
      if (!this.#heard.has(deviceId)) (online ??= []).push(deviceId);
      this.#heard.set(deviceId, now);
    }
    if (online) this.options.onChange(online, "online");
  }

  of(deviceId: string): PresenceState {
    return this.#heard.has(deviceId) ? "online" : "stale";
  }

  /** Finds the devices that went silent, in steps; call it every second. */
  sweep(): void {
    const now = this.#now();
    if (this.#isSweeping || now < this.#nextSweep) return;
    // Checking every device is expensive, and a long `staleMs` needs less precision.
    this.#nextSweep = now + Math.max(1000, this.options.staleMs / 60) - 500;
    this.#sweepAll();
  }

  async #sweepAll(): Promise<void> {
    this.#isSweeping = true;
    const { staleMs, pause } = this.options;
    let stale: string[] = [];
    let looks = 0;
    let now = this.#now();
    for (const [deviceId, heard] of this.#heard) {
      if (now - heard >= staleMs) {
        this.#heard.delete(deviceId);
        stale.push(deviceId);
      }
      if (++looks < STEP_LOOKS && stale.length < STEP_CHANGES) continue;
      this.#tellStale(stale);
      stale = [];
      looks = 0;
      await pause?.();
      now = this.#now();
    }
    this.#tellStale(stale);
    this.#isSweeping = false;
  }

  #tellStale(deviceIds: readonly string[]): void {
    if (deviceIds.length === 0) return;
    attempt("reporting stale devices failed", () => this.options.onChange(deviceIds, "stale"));
  }
}
