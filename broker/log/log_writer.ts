/** Writes publishes to the shared log: one commit at a time, each until its outcome is known. */

import { stageTook } from "../../telemetry/metrics.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Notifier } from "../../lib/notifier.ts";
import { LeaseLostError } from "./fanout.ts";
import { DeferredWrites } from "./deferred_writes.ts";
import type { KvClient } from "../store/kv_client.ts";
import { HEAD } from "../store/kv_keys.ts";
import type { LeaseChange } from "./lease.ts";
import { LeaseGate } from "./lease_gate.ts";
import { Append, type Waiting } from "./log_append.ts";
import { PROMPT_MS } from "./log_clock.ts";
import { WRITER_CHARS } from "./log_frame.ts";
import { encodeHead, type LogHead } from "./log_head.ts";
import type { LogView } from "./log_view.ts";
import { SourceOffsets } from "./source_offsets.ts";
import type { Entry } from "../messages/message.ts";
import { WriterFairness } from "./writer_fairness.ts";

export interface LogWriterOptions {
  readonly kv: KvClient;
  readonly view: LogView;
  readonly clock: Clock;
  readonly retentionMs: number;
  /** Notified when there is something to do. */
  readonly notifier: Notifier;
  readonly signal: AbortSignal;
}

/**
 * Used by one loop, one call at a time; only publish(), fence() and probe() are called from
 * elsewhere.
 */
export class LogWriter {
  /** Names this instance in the log. */
  readonly name: string;
  /** Commits that had to be redone because another instance wrote first. */
  conflicts = 0;
  commits = 0;
  stored = 0;
  /** Entries that wait to be appended. */
  pending = 0;
  readonly gate = new LeaseGate();
  readonly fairness: WriterFairness;
  readonly #sourceOffsets: SourceOffsets;
  #batch = 0;
  #waiting: Waiting[] = [];
  /** A commit in flight, or one of unknown outcome: never changed, only repeated. */
  #inFlight: Append | undefined;
  /** A head must be committed, to test whether the store accepts any write. */
  #probing = false;
  /** What waits for the store while the log continues without it. */
  readonly #deferred = new DeferredWrites();

  constructor(private readonly options: LogWriterOptions) {
    const { kv, clock } = options;
    this.#sourceOffsets = new SourceOffsets(kv);
    this.name = Array.from(
      { length: WRITER_CHARS },
      () => Math.floor(clock.random() * 36).toString(36),
    ).join("");
    this.fairness = new WriterFairness(this.name, options);
  }

  publish(batch: readonly Entry[], leased: boolean): Promise<void> {
    this.pending += batch.length;
    return new Promise((resolve, reject) => {
      const since = performance.now();
      this.#waiting.push({ entries: batch, leased, since, taken: 0, resolve, reject });
      this.options.notifier.notify();
    });
  }

  /** Commits a change of the lease with a new head; see {@linkcode LeaseGate}. */
  fence(change: LeaseChange): Promise<boolean> {
    const done = this.gate.fence(change);
    this.options.notifier.notify();
    return done;
  }

  /** A write failed elsewhere: tests whether the store accepts any write. */
  probe(): void {
    this.#probing = true;
    this.options.notifier.notify();
  }

  /** Names and numbers the next commit of this instance. */
  nextBatch(): { writer: string; batch: number } {
    return { writer: this.name, batch: ++this.#batch };
  }

  /**
   * Does what is due. `idle` if there is nothing to do; `stale` if the head has changed and must be
   * read before anything else is done.
   */
  async step(): Promise<"done" | "idle" | "stale"> {
    if (this.#probing) return await this.#commitProbe();
    if (this.gate.hasFence) return await this.#commitFence();
    if (this.gate.unproven && this.#waiting.some(({ leased }) => leased)) {
      await this.#settleLease();
      return "done";
    }
    if (this.#waiting.length === 0 || this.fairness.isAnothers(this.options.view.head)) {
      return "idle";
    }
    return await this.#append();
  }

  /** The head has not moved: the commit in flight was not applied and is repeated unchanged. */
  async repeat(): Promise<"done" | "stale"> {
    if (this.#inFlight) return await this.#commit(this.#inFlight);
    return this.#probing ? await this.#commitProbe() : "done";
  }

  /**
   * The head has moved, and everything up to it has been read: settles or undoes the commit in
   * flight. `again` if the head has moved once more since, so that another commit would fail too.
   */
  async reconcile(head: LogHead, again: boolean): Promise<void> {
    const inFlight = this.#inFlight;
    this.#inFlight = undefined;
    if (inFlight?.isIn(head)) {
      this.#sourceOffsets.forget();
      this.#settle(inFlight);
    } else if (inFlight) {
      // Another instance wrote first: this commit can never be applied, and is made again.
      this.conflicts++;
      this.#waiting = [...new Set([...inFlight.undo(), ...this.#waiting])];
      await this.fairness.lost(head, this.#batch);
    } else if (again && this.#waiting.length > 0) await this.fairness.lost(head, this.#batch);
  }

  /** Another instance wrote: it may have taken the lease and read further upstream. */
  invalidate(): void {
    this.gate.invalidate();
    this.#sourceOffsets.forget();
  }

  /** Rejects everything that waits; nothing is written after this. */
  close(): void {
    const error = new Error("Cannot publish: the fanout is closed");
    const waiting = [
      ...this.#inFlight?.undo() ?? [],
      ...this.#waiting,
      ...this.#deferred.release().waiting,
    ];
    for (const { reject } of waiting) reject(error);
  }

  // ---- without the store

  /** Stops committing; returns the commit in flight. */
  leaveStore(): Append | undefined {
    const underWay = this.#inFlight;
    this.#inFlight = undefined;
    if (underWay) this.#waiting = [...new Set([...underWay.undo(), ...this.#waiting])];
    return underWay;
  }

  /**
   * Appends what waits in memory only, except entries that must not be lost: they wait for the
   * store.
   */
  appendInMemory(): void {
    const { view, clock } = this.options;
    this.gate.rejectAll(new Error("the log continues in memory"));
    let waiting = this.#deferred.sort(this.#waiting);
    this.#waiting = [];
    while (waiting.length > 0) {
      const append = new Append(waiting, view.log, this.#sourceOffsets);
      waiting = waiting.filter(({ entries, taken }) => taken < entries.length);
      append.prepare(view.head, view.stamp, {
        header: {
          ...this.nextBatch(),
          logTime: view.time.next(view.head.logTime),
          time: clock.wall(),
        },
        deletes: [],
        floor: view.head.floor,
      });
      this.#stored(append, view.stamp!);
    }
  }

  /** Continues in the store; `landed` is the commit that was in flight, if the store has it. */
  returnToStore(landed: Append | undefined): void {
    const { waiting, storedCount } = this.#deferred.release(landed?.entries);
    this.pending -= storedCount;
    this.#waiting = [...waiting, ...this.#waiting];
    this.#probing = false;
    this.invalidate();
  }

  // ---- commits

  async #append(): Promise<"done" | "stale"> {
    const { view, clock, retentionMs } = this.options;
    for (const { entries, taken } of this.#waiting) {
      // A source gives all of its messages a source offset, or none.
      if (entries[taken]?.sourceOffset) await this.#sourceOffsets.load(entries);
    }
    const append = new Append(this.#waiting, view.log, this.#sourceOffsets);
    this.#waiting = this.#waiting.filter(({ entries, taken }) => taken < entries.length);
    if (append.entries.length === 0) {
      this.#settle(append);
      return "done";
    }
    const logTime = view.time.next(view.head.logTime);
    const { deletes, floor } = view.ages.expired({
      floor: view.head.floor,
      olderThan: logTime - retentionMs - PROMPT_MS,
      upTo: view.lasts.upto,
    });
    append.prepare(view.head, view.stamp, {
      header: { ...this.nextBatch(), logTime, time: clock.wall() },
      deletes,
      floor,
    });
    this.#inFlight = append;
    stageTook("queue", performance.now() - append.waitingSince);
    return await this.#commit(append);
  }

  async #commit(append: Append): Promise<"done" | "stale"> {
    const { kv, view } = this.options;
    const startedAt = performance.now();
    const result = await kv.commit(append.commit);
    this.commits++;
    if (!result.ok) return "stale";
    stageTook("append", performance.now() - startedAt);
    this.#inFlight = undefined;
    this.fairness.won();
    view.ages.add(append.ages);
    this.#stored(append, result.versionstamp);
    return "done";
  }

  #stored(append: Append, versionstamp: string): void {
    const { view } = this.options;
    view.seen({ head: append.head, versionstamp });
    this.#sourceOffsets.advance(append.reached.sourceOffsets);
    if (append.entries.length > 0) view.deliver(append.publications(view.epoch));
    this.#settle(append);
  }

  async #commitFence(): Promise<"done" | "stale"> {
    const { kv, view } = this.options;
    const head: LogHead = { ...view.head, ...this.nextBatch() };
    const isDone = await this.gate.commitNext(async (change) => {
      const result = await kv.commit({
        checks: [{ key: HEAD, versionstamp: view.stamp }, change.check],
        sets: [{ key: HEAD, value: encodeHead(head) }, change.set],
      });
      if (result.ok) view.seen({ head, versionstamp: result.versionstamp });
      return result.ok;
    });
    return isDone ? "done" : "stale";
  }

  async #commitProbe(): Promise<"done" | "stale"> {
    const { kv, view } = this.options;
    const head: LogHead = { ...view.head, ...this.nextBatch() };
    const result = await kv.commit({
      checks: [{ key: HEAD, versionstamp: view.stamp }],
      sets: [{ key: HEAD, value: encodeHead(head) }],
    });
    this.#probing = false;
    if (!result.ok) return "stale";
    view.seen({ head, versionstamp: result.versionstamp });
    return "done";
  }

  /** Rejects entries of leased sources unless this instance still holds the lease. */
  async #settleLease(): Promise<void> {
    if (await this.gate.isHeld()) return;
    const error = new LeaseLostError("Cannot publish: another instance has the ingest lease");
    const [lost, kept] = [true, false].map((leased) =>
      this.#waiting.filter((waiting) => waiting.leased === leased)
    ) as [Waiting[], Waiting[]];
    this.#waiting = kept;
    for (const { entries, taken, reject } of lost) {
      this.pending -= entries.length - taken;
      reject(error);
    }
  }

  #settle(append: Append): void {
    this.pending -= append.settle();
    this.stored += append.entries.length;
  }
}
