/** Which devices are online, and when that changes. */

import { attempt } from "../../telemetry/fault.ts";
import type { MessageLog } from "../log/message_log.ts";

export type PresenceState = "online" | "stale";

export interface PresenceOptions {
  readonly staleMs: number;
  /** Called for some devices at a time. */
  readonly onChange: (deviceIds: readonly string[], state: PresenceState) => void;
  /** Milliseconds that only rise. */
  readonly now?: () => number;
  /** Lets everything else that is due go first, where it returns a promise. */
  readonly pause?: () => Promise<void> | undefined;
}

/** Devices that a sweep looks at, or tells of, before everything else that is due. */
const STEP_LOOKS = 4_096;
const STEP_CHANGES = 64;

/**
 * A device is online from a message on, until `staleMs` have passed without another. Silence is
 * measured by this instance's own clock: that of the message's writer may be another.
 */
export class Presence {
  /** When each device that is online was heard of last. */
  readonly #heard = new Map<string, number>();
  readonly #now: () => number;
  #nextSweep = 0;
  #isSweeping = false;

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

  /** Finds the devices that have fallen silent, in steps; to be called every second. */
  sweep(): void {
    const now = this.#now();
    if (this.#isSweeping || now < this.#nextSweep) return;
    // A look at every device costs the more, the less it matters to be exact.
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
    attempt("silent devices could not be told", () => this.options.onChange(deviceIds, "stale"));
  }
}
