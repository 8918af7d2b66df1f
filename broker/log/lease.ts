/** One instance at a time consumes the sources: who, and how another takes over. */

import { type Clock, SYSTEM_CLOCK } from "../../lib/clock.ts";
import type { KvClient } from "../store/kv_client.ts";
import { LEASE, LEASE_BEAT } from "../store/kv_keys.ts";
import { decodeJson, encodeJson } from "../store/stored_json.ts";

interface LeaseValue {
  /** The instance that holds it; empty where it was given up. */
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
 * owner, which knows the head of before, fails. False where the lease or the head had changed.
 */
export type Fence = (change: LeaseChange) => Promise<boolean>;

export interface LeaseOptions {
  /** This instance's id. */
  readonly instance: string;
  readonly fence: Fence;
  /** The sources may be consumed from now on. */
  onAcquired(): void;
  /** They may not: another instance has the lease, or it cannot be proven any more. */
  onLost(reason: string): void;
  /** The store cannot be written to. */
  onFailure?(): void;
  /** While the log goes on in memory alone, there is nobody else who could have it. */
  readonly isAlone?: () => boolean;
  readonly clock?: Clock;
  /** Silence of the owner after which another takes over. */
  readonly leaseMs?: number;
  readonly beatMs?: number;
}

const LEASE_MS = 3_000;
const BEAT_MS = 500;
const MIN_PAUSE_MS = 20;

/**
 * Tries for the lease, keeps it alive, and gives it up. The owner's silence is measured by the
 * taker's own clock while the store answers, so that no clocks are compared.
 */
export class Lease implements AsyncDisposable {
  #held = false;
  #owner = "";
  /** The lease as it was read last. */
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

  /** The instance that has it, as far as this one knows; empty where nobody has. */
  get owner(): string {
    return this.#owner;
  }

  start(): void {
    this.#silentSince = this.#clock.monotonic();
    this.#run = this.#keep();
  }

  /** Whether the store says, now, that this instance has the lease. */
  async prove(): Promise<boolean> {
    await this.#read();
    if (!this.#held) return false;
    if (this.#owner === this.options.instance) return true;
    this.#lose(`instance ${this.#owner || "none"} has the lease`);
    return false;
  }

  /** Gives the lease up, so that another instance can have it at once. */
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
        // The store is away; the fanout says so. Silence of the owner cannot be told meanwhile.
        this.#silentSince = this.#clock.monotonic();
        this.options.onFailure?.();
      }
      if (this.#held && this.#clock.monotonic() - this.#proven >= this.#leaseMs) {
        this.#lose("the lease cannot be proven: the store does not answer");
      }
      await this.#clock.sleep(this.#pauseMs(), signal);
    }
  }

  /** What the store says of it is proven by the next beat, once the log is back there. */
  #holdAlone(): void {
    this.#proven = this.#clock.monotonic();
    if (this.#held) return;
    this.#held = true;
    this.#owner = this.options.instance;
    this.options.onAcquired();
  }

  /**
   * Waits for a beat, and no longer than the lease lasts: an owner that stayed at the broker until
   * a stalled store answers would fight its successor for the session there.
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

  /** Until the next look: not later than the moment in which a silent owner has lost the lease. */
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
    // Proven as of the moment at which it was asked, not of that at which the answer came.
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
