/** The right to work on a partition, which one instance at a time holds. */

import type { Clock } from "../../lib/clock.ts";
import type { KvClient, KvKey } from "../store/kv_client.ts";
import { encodeJson } from "../store/stored_json.ts";

export const claimKey = (partition: string): KvKey => ["delivery_claim", partition];

export interface ClaimTiming {
  /** Silence of the holder after which another instance takes the partition. */
  readonly claimMs: number;
  readonly clock: Clock;
}

/** Maximum number of watched partitions of others; beyond it, the watch starts over. */
const MAX_SEEN = 10_000;

interface Sighting {
  readonly versionstamp: string;
  /** When it was first seen, by this instance's clock. */
  readonly since: number;
}

/** Watches the claims of others, to measure their silence with a single clock. */
export class PartitionClaims {
  readonly #seen = new Map<string, Sighting>();

  constructor(
    private readonly kv: KvClient,
    private readonly owner: string,
    private readonly timing: ClaimTiming,
  ) {}

  /** Takes a partition that nobody holds, or whose holder went silent. */
  async take(partition: string): Promise<PartitionClaim | undefined> {
    const key = claimKey(partition);
    const held = await this.kv.get(key);
    const now = this.timing.clock.monotonic();
    if (held) {
      const seen = this.#seen.get(partition);
      if (seen?.versionstamp !== held.versionstamp) {
        if (this.#seen.size >= MAX_SEEN) this.#seen.clear();
        this.#seen.set(partition, { versionstamp: held.versionstamp, since: now });
        return undefined;
      }
      if (now - seen.since < this.timing.claimMs) return undefined;
    }
    const result = await this.kv.commit({
      checks: [{ key, versionstamp: held?.versionstamp ?? null }],
      sets: [{ key, value: encodeJson(this.owner) }],
    });
    this.#seen.delete(partition);
    if (!result.ok) return undefined;
    return new PartitionClaim(this.kv, key, this.owner, result.versionstamp);
  }
}

/** A held partition. Every change of its jobs checks the claim, so a lost claim changes nothing. */
export class PartitionClaim {
  lost = false;

  constructor(
    private readonly kv: KvClient,
    private readonly key: KvKey,
    private readonly owner: string,
    private versionstamp: string,
  ) {}

  get check(): { key: KvKey; versionstamp: string } {
    return { key: this.key, versionstamp: this.versionstamp };
  }

  /** Shows that the holder is alive. */
  async renew(): Promise<void> {
    const result = await this.kv.commit({
      checks: [this.check],
      sets: [{ key: this.key, value: encodeJson(this.owner) }],
    });
    if (result.ok) this.versionstamp = result.versionstamp;
    else this.lost = true;
  }

  async release(): Promise<void> {
    if (this.lost) return;
    await this.kv.commit({ checks: [this.check], sets: [], deletes: [this.key] });
  }
}
