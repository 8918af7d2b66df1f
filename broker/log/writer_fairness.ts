/** Whose turn it is to write: others wait for a writer that they were always faster than. */

import type { Clock } from "../../lib/clock.ts";
import type { Notifier } from "../../lib/notifier.ts";
import type { KvClient, KvEntry } from "../store/kv_client.ts";
import { TURN } from "../store/kv_keys.ts";
import type { LogHead } from "./log_head.ts";
import { decodeJson, encodeJson } from "../store/stored_json.ts";

interface Claim {
  readonly writer: string;
  /** The writer's number of its last commit: with a later one in the head it had its turn. */
  readonly batch: number;
  /** How long others had been faster by then. */
  readonly waitedMs: number;
}

/** So often in a row others may be faster. */
const MAX_LOST = 2;
/** Others wait no longer: whoever claimed may be gone. */
const TURN_MS = 200;

/**
 * An append lands only where nobody else wrote since the head was read, so that a writer that is
 * farther from the store than the others would never write. It claims a turn, in a key that needs
 * no check. A claim is advice about pace alone: where it is not seen nothing goes wrong.
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
      /** Notified when a turn ends by time. */
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
   * Another instance wrote first, and the head is this one now; `batch` is the number of this
   * instance's last commit.
   */
  async lost(head: LogHead, batch: number): Promise<void> {
    const now = this.options.clock.monotonic();
    if (++this.#lost === 1) this.#lostSince = now;
    if (this.#lost < MAX_LOST) return;
    const waitedMs = now - this.#lostSince;
    // Whoever waits longest comes first.
    if (this.#isRunning(head) && this.#claim!.waitedMs >= waitedMs) return;
    const claim: Claim = { writer: this.writer, batch, waitedMs };
    const result = await this.options.kv.commit({
      checks: [],
      sets: [{ key: TURN, value: encodeJson(claim) }],
    });
    if (result.ok) this.#begin(claim, result.versionstamp);
  }

  /** The claim as it stands in the store. */
  saw(entry: KvEntry | undefined): void {
    if (!entry || entry.versionstamp <= this.#stamp) return;
    this.#begin(decodeJson(entry.value) as Claim, entry.versionstamp);
  }

  /** Whether another writer has the turn, which by `head` has not used it yet. */
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
