/** Gives turns to slow writers: the others wait for a writer that keeps losing to them. */

import type { Clock } from "../../lib/clock.ts";
import type { Notifier } from "../../lib/notifier.ts";
import type { KvClient, KvEntry } from "../store/kv_client.ts";
import { TURN } from "../store/kv_keys.ts";
import type { LogHead } from "./log_head.ts";
import { decodeJson, encodeJson } from "../store/stored_json.ts";

interface Claim {
  readonly writer: string;
  /** The number of the writer's last commit; a later one in the head means it had its turn. */
  readonly batch: number;
  /** How long the writer had been losing when it made the claim. */
  readonly waitedMs: number;
}

/** A writer that loses this many times in a row claims a turn. */
const MAX_LOST = 2;
/** The others wait at most this long: the writer that claimed the turn may be gone. */
const TURN_MS = 200;

/**
 * An append succeeds only if nobody else has written since the head was read, so a writer with
 * higher latency to the store would starve. It claims a turn by setting a key, without a check. A
 * claim only affects pacing: if another writer misses it, nothing goes wrong.
 */
export class WriterFairness {
  #lost = 0;
  #lostSince = 0;
  #claim: Claim | undefined;
  #stamp = "";
  #endsAt = 0;

  constructor(
    private readonly writer: string,
    private readonly options: {
      readonly kv: KvClient;
      readonly clock: Clock;
      /** Notified when a turn times out. */
      readonly notifier: Notifier;
      readonly signal: AbortSignal;
    },
  ) {}

  /** An append of this instance was stored. */
  won(): void {
    this.#lost = 0;
    if (this.#claim?.writer === this.writer) this.#claim = undefined;
  }

  /**
   * Another instance wrote first; `head` is the new head, and `batch` the number of this instance's
   * last commit.
   */
  async lost(head: LogHead, batch: number): Promise<void> {
    const now = this.options.clock.monotonic();
    if (++this.#lost === 1) this.#lostSince = now;
    if (this.#lost < MAX_LOST) return;
    const waitedMs = now - this.#lostSince;
    // The writer that has waited longest goes first.
    if (this.#isRunning(head) && this.#claim!.waitedMs >= waitedMs) return;
    const claim: Claim = { writer: this.writer, batch, waitedMs };
    const result = await this.options.kv.commit({
      checks: [],
      sets: [{ key: TURN, value: encodeJson(claim) }],
    });
    if (result.ok) this.#begin(claim, result.versionstamp);
  }

  /** Takes the claim as it was read from the store. */
  saw(entry: KvEntry | undefined): void {
    if (!entry || entry.versionstamp <= this.#stamp) return;
    this.#begin(decodeJson(entry.value) as Claim, entry.versionstamp);
  }

  /** Whether another writer has the turn and, according to `head`, has not used it yet. */
  isAnothers(head: LogHead): boolean {
    return this.#isRunning(head) && this.#claim?.writer !== this.writer;
  }

  #isRunning({ written }: LogHead): boolean {
    const claim = this.#claim;
    if (!claim) return false;
    const used = written.some(([name, batch]) => name === claim.writer && batch > claim.batch);
    if (used || this.options.clock.monotonic() >= this.#endsAt) this.#claim = undefined;
    return this.#claim !== undefined;
  }

  #begin(claim: Claim, versionstamp: string): void {
    const { clock, notifier, signal } = this.options;
    this.#stamp = versionstamp;
    this.#claim = claim;
    this.#endsAt = clock.monotonic() + TURN_MS;
    if (claim.writer !== this.writer) clock.sleep(TURN_MS, signal).then(() => notifier.notify());
  }
}
