/** A fanout over a key-value store: one log, one order, any number of instances. */

import { reasonOf } from "../../telemetry/log.ts";
import { backoffMs } from "../../lib/backoff.ts";
import { type Clock, SYSTEM_CLOCK } from "../../lib/clock.ts";
import { Notifier } from "../../lib/notifier.ts";
import type { Fanout, FanoutListener, FanoutState, PublishOptions, Replay } from "./fanout.ts";
import { guarded } from "./guarded_listener.ts";
import type { Interest } from "../messages/interest.ts";
import { type KvClient, StoreDamagedError } from "../store/kv_client.ts";
import { HEAD, TURN } from "../store/kv_keys.ts";
import type { LeaseChange } from "./lease.ts";
import { decodeHead } from "./log_head.ts";
import { LogReplays } from "./log_replays.ts";
import { LogView } from "./log_view.ts";
import { LogWriter } from "./log_writer.ts";
import { MemoryFallback } from "./memory_fallback.ts";
import type { Entry, Epoch } from "../messages/message.ts";
import type { MessageLog } from "./message_log.ts";

export interface KvFanoutOptions {
  readonly retentionMs: number;
  /** Bytes of recent messages kept in memory. */
  readonly recentMaxBytes: number;
  /** How often the head is read if no wake arrives. */
  readonly pollMs?: number;
  /** How often the last messages of devices are written to the store. */
  readonly flushMs?: number;
  /**
   * The store is a file: a single instance continues in memory if its disk fails, and the watch
   * starts only once another instance has been seen writing.
   */
  readonly onDisk?: boolean;
  readonly clock?: Clock;
}

/** The instance that wrote last flushes the last messages; others do so after this much time. */
const FOREIGN_FLUSH_MS = 10_000;
/** Last messages to flush per ms; each costs as much as ten messages of the log. */
const LASTS_A_MS = 1;
/** The longest time between flushes: an instance that starts reads this much of the log. */
const MAX_FLUSH_MS = 30_000;
const RETRY = { baseMs: 50, maxMs: 2_000 };

export class KvFanout implements Fanout {
  readonly #kv: KvClient;
  readonly #view: LogView;
  readonly #out: LogWriter;
  readonly #memory: MemoryFallback;
  readonly #replays: LogReplays;
  readonly #clock: Clock;
  readonly #options: Required<Omit<KvFanoutOptions, "clock">>;
  readonly #closed = new AbortController();
  readonly #notifier = new Notifier();
  #state: FanoutState = { state: "starting" };
  #headStale = false;
  /** Versionstamp of the head in the last wake. */
  #notified: string | undefined;
  /** Resolves once another instance is known to write to the same store. */
  readonly #company = Promise.withResolvers<void>();
  #tasks: Promise<void>[] = [];

  constructor(kv: KvClient, options: KvFanoutOptions) {
    this.#kv = kv;
    const clock = this.#clock = options.clock ?? SYSTEM_CLOCK;
    const view = this.#view = new LogView(kv, clock, options);
    const { signal } = this.#closed;
    const parts = { kv, view, clock, retentionMs: options.retentionMs, notifier: this.#notifier };
    const out = this.#out = new LogWriter({ ...parts, signal });
    const memory = this.#memory = new MemoryFallback({ ...parts, out });
    const onAhead = () => this.#staleHead();
    this.#replays = new LogReplays({ view, memory, clock, closed: signal, onAhead });
    this.#options = { pollMs: 1000, flushMs: 2000, onDisk: false, ...options };
    if (!options.onDisk) this.#company.resolve();
  }

  /** Names this instance in the log. */
  get writer(): string {
    return this.#out.name;
  }

  /** How many of `commits` had to be redone because another instance wrote first. */
  get conflicts(): number {
    return this.#out.conflicts;
  }

  get commits(): number {
    return this.#out.commits;
  }

  get stored(): number {
    return this.#out.stored;
  }

  get log(): MessageLog {
    return this.#view.log;
  }

  get deploymentId(): string {
    return this.#view.deploymentId;
  }

  get epoch(): Epoch {
    return this.#view.epoch;
  }

  get floor(): number {
    return this.#replays.floor;
  }

  get state(): FanoutState {
    return this.#state;
  }

  get pending(): number {
    return this.#out.pending;
  }

  async start(listener: FanoutListener): Promise<void> {
    this.#view.listener = guarded(listener);
    await this.#retried(() => this.#view.load(this.#out.nextBatch()));
    await this.#retried(() => this.#view.readDeploymentId());
    this.#setState({ state: "ready" });
    this.#tasks = [this.#run(), this.#watch(), this.#poll(), this.#flush()];
  }

  publish(batch: readonly Entry[], { leased = false }: PublishOptions = {}): Promise<void> {
    if (this.#closed.signal.aborted) {
      return Promise.reject(new Error("Cannot publish: the fanout is closed"));
    }
    if (batch.length === 0) return Promise.resolve();
    return this.#out.publish(batch, leased);
  }

  /**
   * Commits a change of the lease with a new head, so that an instance that knows only the previous
   * head cannot append. False if the lease or the head had changed; rejects while the store is
   * unavailable.
   */
  fence(change: LeaseChange): Promise<boolean> {
    return this.#out.fence(change);
  }

  /** Reads from the store whether this instance holds the ingest lease now. */
  set leaseProof(prove: () => Promise<boolean>) {
    this.#out.gate.prove = prove;
  }

  /** Sets the function that reports whether no other instance shares the store. */
  set aloneness(isAlone: () => boolean) {
    this.#memory.isAlone = isAlone;
  }

  /** Called after a failed write elsewhere: tests whether the store accepts any write. */
  suspect(): void {
    if (this.#options.onDisk && !this.#memory.active) this.#out.probe();
  }

  since(cursor: string, interest: Interest, signal: AbortSignal): Promise<Replay> {
    return this.#replays.since(cursor, interest, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    this.#company.resolve();
    this.#notifier.notify();
    await Promise.allSettled(this.#tasks);
    this.#out.close();
    if (this.#state.state === "ready") {
      await this.#view.lasts.flush(this.#view.epoch).catch(() => false);
    }
  }

  // ---- the loop: one step at a time, and one commit in flight

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#closed.signal.aborted) {
      try {
        if (this.#memory.active) await this.#goOnInMemory();
        else if (this.#headStale) await this.#catchUp();
        else await this.#write();
        if (this.#state.state === "away" && !this.#headStale) this.#ready();
        failures = 0;
      } catch (error) {
        this.#headStale = true;
        this.#away(error);
        this.#out.gate.rejectAll(error);
        const wait = backoffMs(failures++, { ...RETRY, random: this.#clock.random });
        const leftMs = this.#options.onDisk ? this.#memory.failed(error) : Infinity;
        if (leftMs <= 0) this.#leaveStore(error);
        else await this.#clock.sleep(Math.min(wait, leftMs), this.#closed.signal);
      }
    }
  }

  #leaveStore(error: unknown): void {
    const reason = reasonOf(error);
    this.#memory.begin("the store fails: the log continues in memory");
    this.#setState({ state: "memory", reason, since: this.#clock.wall() });
  }

  async #goOnInMemory(): Promise<void> {
    if (await this.#memory.step()) return await this.#notifier.wait();
    this.#headStale = true;
    this.#ready();
  }

  async #write(): Promise<void> {
    const done = await this.#out.step();
    if (done === "stale") this.#headStale = true;
    else if (done === "idle") await this.#notifier.wait();
  }

  /** Reads the log up to the store's head, and finds out what became of a commit. */
  async #catchUp(): Promise<void> {
    this.#headStale = false;
    const now = await this.#view.reader.head();
    if (now && now.versionstamp === this.#view.stamp) {
      if (await this.#out.repeat() === "stale") this.#headStale = true;
      return;
    }
    if (!now || (now.head.epoch === this.#view.epoch.id && this.#view.isOlder(now.head))) {
      await this.#view.beginEpoch(now, this.#out.nextBatch());
      this.#headStale = true;
      return;
    }
    if (now.head.writer !== this.writer) {
      this.#company.resolve();
      this.#out.invalidate();
    }
    if (now.head.epoch !== this.#view.epoch.id) await this.#view.adopt(now);
    if (!await this.#view.readTo(now)) {
      this.#headStale = true;
      return;
    }
    this.#view.seen(now);
    // The wake announced what was just read.
    if (this.#notified === now.versionstamp) this.#headStale = false;
    await this.#out.reconcile(now.head, this.#headStale);
  }

  // ---- start

  /** Repeats a step of the startup until the store answers. */
  async #retried(step: () => Promise<void>): Promise<void> {
    for (let failures = 0;; failures++) {
      try {
        return await step();
      } catch (error) {
        if (this.#closed.signal.aborted || error instanceof StoreDamagedError) throw error;
        this.#away(error);
        const wait = backoffMs(failures, { ...RETRY, random: this.#clock.random });
        await this.#clock.sleep(wait, this.#closed.signal);
      }
    }
  }

  // ---- tasks that run beside the loop

  #staleHead(): void {
    this.#headStale = true;
    this.#notifier.notify();
  }

  /**
   * A watch reads the store at each commit, including this instance's own: a single instance does
   * not need it.
   */
  async #watch(): Promise<void> {
    await this.#company.promise;
    while (!this.#closed.signal.aborted) {
      try {
        for await (const [entry, turn] of this.#kv.watch([HEAD, TURN], this.#closed.signal)) {
          this.#out.fairness.saw(turn);
          // This instance's own commits need no read: their results are known.
          if (entry?.versionstamp === this.#view.stamp) continue;
          if (entry && decodeHead(entry.value).writer === this.writer) continue;
          this.#notified = entry?.versionstamp;
          this.#staleHead();
        }
      } catch {
        // The loop finds out whether the store is unavailable.
        this.#staleHead();
      }
      await this.#clock.sleep(RETRY.maxMs * this.#clock.random(), this.#closed.signal);
    }
  }

  async #poll(): Promise<void> {
    while (!this.#closed.signal.aborted) {
      await this.#clock.sleep(this.#options.pollMs, this.#closed.signal);
      if (this.#out.pending > 0) {
        await this.#kv.get(TURN).then((turn) => this.#out.fairness.saw(turn), () => {});
      }
      this.#staleHead();
    }
  }

  async #flush(): Promise<void> {
    let idleMs = 0;
    while (!this.#closed.signal.aborted) {
      await this.#clock.sleep(this.#options.flushMs, this.#closed.signal);
      idleMs += this.#options.flushMs;
      const mine = this.#view.head.writer === this.writer || idleMs >= FOREIGN_FLUSH_MS;
      if (!mine || this.#state.state !== "ready") continue;
      try {
        if (idleMs >= this.#flushDueMs) {
          if (this.#view.lasts.dirtyCount > 0) await this.#view.lasts.flush(this.#view.epoch);
          idleMs = 0;
        }
        await this.#view.ages.complete(
          this.#view.reader,
          this.#view.head.floor,
          this.#view.head.next,
        );
      } catch {
        // The loop finds out by itself that the store is unavailable; this is tried again.
      }
    }
  }

  /**
   * The more devices there are to write, the less often: the cost per message stays the same in a
   * large fleet.
   */
  get #flushDueMs(): number {
    return Math.min(
      this.#view.lasts.dirtyCount / LASTS_A_MS,
      MAX_FLUSH_MS,
      this.#options.retentionMs / 4,
    );
  }

  #away(error: unknown): void {
    if (this.#closed.signal.aborted || this.#state.state === "away") return;
    this.#setState({ state: "away", reason: reasonOf(error), since: this.#clock.wall() });
  }

  #ready(): void {
    this.#memory.worked();
    this.#setState({ state: "ready" });
  }

  #setState(state: FanoutState): void {
    this.#state = state;
    this.#view.listener.onState?.(state);
  }
}
