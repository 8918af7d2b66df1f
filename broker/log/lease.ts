/** Lets one instance at a time consume the sources, and another one take over. */

import { type Clock, SYSTEM_CLOCK } from "../../lib/clock.ts";
import type { KvClient } from "../store/kv_client.ts";
import { LEASE, LEASE_BEAT } from "../store/kv_keys.ts";
import { decodeJson, encodeJson } from "../store/stored_json.ts";

interface LeaseValue {
  /** The instance that holds the lease; empty if it was released. */
  readonly owner: string;
  /** Rises with every takeover. */
  readonly fence: number;
}

/** A change of the lease that goes into one commit with the log's head; see {@linkcode Fence}. */
export interface LeaseChange {
  readonly check: { key: typeof LEASE; versionstamp: string | null };
  readonly set: { key: typeof LEASE; value: Uint8Array };
}

/**
 * Commits a change of the lease together with the head of the log, so that an append of the former
 * owner, which knows only the previous head, fails. False if the lease or the head had changed.
 */
export type Fence = (change: LeaseChange) => Promise<boolean>;

export interface LeaseOptions {
  /** This instance's id. */
  readonly instance: string;
  readonly fence: Fence;
  /** The sources may be consumed from now on. */
  onAcquired(): void;
  /**
   * The sources must not be consumed: another instance has the lease, or it can no longer be
   * proven.
   */
  onLost(reason: string): void;
  /** The store cannot be written to. */
  onFailure?(): void;
  /** Whether the log continues in memory only, so that no other instance can have the lease. */
  readonly isAlone?: () => boolean;
  readonly clock?: Clock;
  /** How long the owner must be silent before another instance takes over. */
  readonly leaseMs?: number;
  readonly beatMs?: number;
}

const LEASE_MS = 3_000;
const BEAT_MS = 500;
const MIN_PAUSE_MS = 20;

/**
 * Acquires the lease, keeps it alive, and releases it. The instance that takes over measures the
 * owner's silence by its own clock, while the store answers, so that clocks are never compared.
 */
export class Lease implements AsyncDisposable {
  #held = false;
  #owner = "";
  /** Versionstamp of the lease when it was last read. */
  #stamp: string | null = null;
  #fenceNumber = 0;
  #beatStamp = "";
  #silentSince = 0;
  #proven = 0;
  #run: Promise<void> = Promise.resolve();
  readonly #closed = new AbortController();
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #beatMs: number;

  constructor(private readonly kv: KvClient, private readonly options: LeaseOptions) {
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
    this.#beatMs = options.beatMs ?? BEAT_MS;
  }

  get held(): boolean {
    return this.#held;
  }

  /** The instance that has the lease, as far as this one knows; empty if none has. */
  get owner(): string {
    return this.#owner;
  }

  start(): void {
    this.#silentSince = this.#clock.monotonic();
    this.#run = this.#keep();
  }

  /** Reads from the store whether this instance has the lease now. */
  async prove(): Promise<boolean> {
    await this.#read();
    if (!this.#held) return false;
    if (this.#owner === this.options.instance) return true;
    this.#lose(`instance ${this.#owner || "none"} has the lease`);
    return false;
  }

  /** Releases the lease, so that another instance can take it at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    await this.#run;
    if (!this.#held) return;
    this.#held = false;
    const value: LeaseValue = { owner: "", fence: this.#fenceNumber };
    await this.kv.commit({
      checks: [{ key: LEASE, versionstamp: this.#stamp }],
      sets: [{ key: LEASE, value: encodeJson(value) }],
    }).catch(() => {});
  }

  async #keep(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      try {
        if (this.options.isAlone?.()) this.#holdAlone();
        else if (this.#held) await this.#inTime(this.#beat(this.#clock.monotonic()));
        else await this.#watchOwner();
      } catch {
        // The store is unavailable, which the fanout reports. The owner's silence is unknown
        // meanwhile.
        this.#silentSince = this.#clock.monotonic();
        this.options.onFailure?.();
      }
      if (this.#held && this.#clock.monotonic() - this.#proven >= this.#leaseMs) {
        this.#lose("the lease cannot be proven: the store does not answer");
      }
      await this.#clock.sleep(this.#pauseMs(), signal);
    }
  }

  /** The next beat proves the lease again once the log is back in the store. */
  #holdAlone(): void {
    this.#proven = this.#clock.monotonic();
    if (this.#held) return;
    this.#held = true;
    this.#owner = this.options.instance;
    this.options.onAcquired();
  }

  /**
   * Waits for a beat, but no longer than the lease lasts: an owner that stayed at the broker until
   * a stalled store answers would compete with its successor for the session there.
   */
  async #inTime(beat: Promise<void>): Promise<void> {
    const over = new AbortController();
    const leftMs = this.#proven + this.#leaseMs - this.#clock.monotonic();
    const end = () => over.abort();
    this.#closed.signal.addEventListener("abort", end);
    try {
      await Promise.race([beat, this.#clock.sleep(Math.max(0, leftMs), over.signal)]);
    } finally {
      this.#closed.signal.removeEventListener("abort", end);
      over.abort();
      beat.catch(() => {});
    }
  }

  /** Time until the next check: at the latest when a silent owner loses the lease. */
  #pauseMs(): number {
    if (this.#held || this.#owner === "") return this.#beatMs;
    const leftMs = this.#silentSince + this.#leaseMs - this.#clock.monotonic();
    return Math.min(this.#beatMs, Math.max(MIN_PAUSE_MS, leftMs));
  }

  async #beat(asked: number): Promise<void> {
    const result = await this.kv.commit({
      checks: [{ key: LEASE, versionstamp: this.#stamp }],
      sets: [{ key: LEASE_BEAT, value: encodeJson(this.#clock.wall()) }],
    });
    // Proven as of the time of the request, not of the answer.
    if (result.ok || await this.prove()) this.#proven = Math.max(this.#proven, asked);
  }

  async #watchOwner(): Promise<void> {
    const [stampBefore, beatBefore] = [this.#stamp, this.#beatStamp];
    await this.#read();
    const beat = await this.kv.get(LEASE_BEAT);
    this.#beatStamp = beat?.versionstamp ?? "";
    const now = this.#clock.monotonic();
    if (this.#stamp !== stampBefore || this.#beatStamp !== beatBefore) this.#silentSince = now;
    const mine = this.#owner === this.options.instance;
    if (this.#owner !== "" && !mine && now - this.#silentSince < this.#leaseMs) return;
    const value: LeaseValue = { owner: this.options.instance, fence: this.#fenceNumber + 1 };
    const took = await this.options.fence({
      check: { key: LEASE, versionstamp: this.#stamp },
      set: { key: LEASE, value: encodeJson(value) },
    });
    if (!took) return;
    await this.#read();
    if (this.#owner !== this.options.instance) return;
    this.#proven = now;
    this.#held = true;
    this.options.onAcquired();
  }

  async #read(): Promise<void> {
    const entry = await this.kv.get(LEASE);
    const { owner, fence } = entry
      ? decodeJson(entry.value) as LeaseValue
      : { owner: "", fence: 0 };
    this.#stamp = entry?.versionstamp ?? null;
    this.#owner = owner;
    this.#fenceNumber = fence;
  }

  #lose(reason: string): void {
    this.#held = false;
    this.#silentSince = this.#clock.monotonic();
    this.options.onLost(reason);
  }
}
