/** A fanout over a key-value store: one log, one order, any number of instances. */

import { backoffMs, type Clock, SYSTEM_CLOCK } from "./clock.ts";
import { Doorbell } from "./doorbell.ts";
import {
  type Fanout,
  type FanoutListener,
  type FanoutState,
  LeaseLostError,
  type PublishOptions,
  type Replay,
} from "./fanout.ts";
import type { Interest } from "./interest.ts";
import { type KvClient, StoreDamagedError } from "./kv_client.ts";
import { HEAD } from "./kv_keys.ts";
import { Append, type Waiting } from "./log_append.ts";
import { PROMPT_MS } from "./log_clock.ts";
import { WRITER_CHARS } from "./log_frame.ts";
import { decodeHead, encodeHead, type LogHead } from "./log_head.ts";
import { LogView } from "./log_view.ts";
import { type Entry, type Epoch, parseCursor } from "./message.ts";
import type { LeaseChange } from "./lease.ts";
import { LeaseGate } from "./lease_gate.ts";
import { Marks } from "./marks.ts";
import type { MessageLog } from "./message_log.ts";
import { LogReplay, NoReplay } from "./replay.ts";

export interface KvFanoutOptions {
  readonly retentionMs: number;
  /** Bytes of recent messages kept in memory. */
  readonly recentMaxBytes: number;
  /** How often the head is read where no wake came. */
  readonly pollMs?: number;
  /** How often the last messages of devices are written behind. */
  readonly flushMs?: number;
  readonly clock?: Clock;
}

/** Another instance writes the last messages behind, unless it has stopped for so long. */
const FOREIGN_FLUSH_MS = 10_000;
const RETRY = { baseMs: 50, maxMs: 2_000 };

export class KvFanout implements Fanout {
  /** Names this instance in the log. */
  readonly writer: string;
  /** Commits that had to be made anew because another instance wrote first. */
  conflicts = 0;
  commits = 0;
  stored = 0;

  readonly #kv: KvClient;
  readonly #view: LogView;
  readonly #marks: Marks;
  readonly #clock: Clock;
  readonly #options: Required<Omit<KvFanoutOptions, "clock">>;
  readonly #closed = new AbortController();
  readonly #bell = new Doorbell();
  #state: FanoutState = { state: "starting" };
  #headStale = false;
  #waiting: Waiting[] = [];
  #pending = 0;
  #batch = 0;
  readonly #gate = new LeaseGate();
  /** A commit whose fate is not known, or that is under way: never changed, only repeated. */
  #frozen: Append | undefined;
  #tasks: Promise<void>[] = [];

  constructor(kv: KvClient, options: KvFanoutOptions) {
    this.#kv = kv;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#view = new LogView(kv, this.#clock, options);
    this.#marks = new Marks(kv);
    this.#options = { pollMs: 1000, flushMs: 2000, ...options };
    this.writer = Array.from(
      { length: WRITER_CHARS },
      () => Math.floor(this.#clock.random() * 36).toString(36),
    ).join("");
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
    return this.#view.head.floor;
  }

  get state(): FanoutState {
    return this.#state;
  }

  get pending(): number {
    return this.#pending;
  }

  async start(listener: FanoutListener): Promise<void> {
    this.#view.listener = listener;
    await this.#retried(() => this.#view.load(this.#nextBatch()));
    await this.#retried(() => this.#view.readDeploymentId());
    this.#setState({ state: "ready" });
    this.#tasks = [this.#run(), this.#watch(), this.#poll(), this.#flush()];
  }

  publish(batch: readonly Entry[], { leased = false }: PublishOptions = {}): Promise<void> {
    if (this.#closed.signal.aborted) {
      return Promise.reject(new Error("Cannot publish: the fanout is closed"));
    }
    if (batch.length === 0) return Promise.resolve();
    this.#pending += batch.length;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entries: batch, leased, taken: 0, resolve, reject });
      this.#bell.ring();
    });
  }

  /**
   * Commits a change of the lease with a new head, so that whoever knows the head of before cannot
   * append; false where the lease or the head had changed. Rejects while the store is away.
   */
  fence(change: LeaseChange): Promise<boolean> {
    const done = this.#gate.fence(change);
    this.#bell.ring();
    return done;
  }

  /** Sets what says whether this instance has the ingest lease now; it reads the store. */
  set leaseProof(prove: () => Promise<boolean>) {
    this.#gate.prove = prove;
  }

  async since(cursor: string, interest: Interest, signal: AbortSignal): Promise<Replay> {
    const position = parseCursor(cursor);
    if (!position || !await this.#isKept(position, signal)) return new NoReplay(this.#view.log);
    const read = (after: number, interest: Interest, maxBytes: number) =>
      this.#view.reader.stretch(after, this.#view.log.position + 1, {
        epoch: this.#view.epoch,
        interest,
        maxBytes,
      });
    return new LogReplay(this.#view.log, interest, read, {
      at: position.offset,
      floor: () => this.floor,
      epoch: () => this.#view.epoch,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    this.#bell.ring();
    await Promise.allSettled(this.#tasks);
    const error = new Error("Cannot publish: the fanout is closed");
    for (const waiting of [...this.#frozen?.undo() ?? [], ...this.#waiting]) waiting.reject(error);
    if (this.#state.state === "ready") {
      await this.#view.lasts.flush(this.#view.epoch).catch(() => false);
    }
  }

  /** A cursor beyond what was seen here is judged by the head of the store. */
  async #isKept(
    position: { epoch: string; offset: number },
    signal: AbortSignal,
  ): Promise<boolean> {
    const ahead = () =>
      position.epoch !== this.#view.epoch.id || position.offset > this.#view.log.position;
    if (!ahead()) return true;
    for (let tries = 0; ahead(); tries++) {
      if (signal.aborted || this.#closed.signal.aborted) return false;
      const now = await this.#view.reader.head().catch(() => undefined);
      if (now) {
        if (now.head.epoch !== position.epoch || now.head.next <= position.offset) return false;
        // It is there: the loop will have read up to it in a moment.
        this.#staleHead();
      }
      await this.#clock.sleep(Math.min(1000, 2 ** tries), signal);
    }
    return true;
  }

  // ---- the loop: one thing at a time, and one commit in flight

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#closed.signal.aborted) {
      try {
        if (this.#headStale) await this.#catchUp();
        else if (this.#gate.hasFence) await this.#commitFence();
        else if (this.#gate.inDoubt && this.#waiting.some(({ leased }) => leased)) {
          await this.#settleLease();
        } else if (this.#waiting.length > 0) await this.#append();
        else await this.#bell.wait();
        if (this.#state.state === "away" && !this.#headStale) this.#setState({ state: "ready" });
        failures = 0;
      } catch (error) {
        this.#headStale = true;
        this.#away(error);
        this.#gate.rejectAll(error);
        const wait = backoffMs(failures++, { ...RETRY, random: this.#clock.random });
        await this.#clock.sleep(wait, this.#closed.signal);
      }
    }
  }

  async #append(): Promise<void> {
    for (const { entries, taken } of this.#waiting) {
      // A source gives all of its messages a mark, or none.
      if (entries[taken]?.mark) await this.#marks.load(entries);
    }
    const append = new Append(this.#waiting, this.#view.log, this.#marks);
    this.#waiting = this.#waiting.filter(({ entries, taken }) => taken < entries.length);
    if (append.entries.length === 0) return this.#settle(append);
    const logTime = this.#view.time.next(this.#view.head.logTime);
    const { deletes, floor } = this.#view.ages.expired({
      floor: this.#view.head.floor,
      olderThan: logTime - this.#options.retentionMs - PROMPT_MS,
      upTo: this.#view.lasts.upto,
    });
    append.freeze(this.#view.head, this.#view.stamp, {
      header: { writer: this.writer, batch: ++this.#batch, logTime, time: this.#clock.wall() },
      deletes,
      floor,
    });
    this.#frozen = append;
    await this.#commitFrozen(append);
  }

  async #commitFrozen(append: Append): Promise<void> {
    const result = await this.#kv.commit(append.commit);
    this.commits++;
    if (!result.ok) {
      this.#headStale = true;
      return;
    }
    this.#frozen = undefined;
    this.#view.seen({ head: append.head, versionstamp: result.versionstamp });
    this.#view.ages.add(append.ages);
    this.#marks.advance(append.entries);
    this.#view.deliver(append.publications(this.#view.epoch));
    this.#settle(append);
  }

  #commitFence(): Promise<void> {
    return this.#gate.commitNext(async (change) => {
      const head: LogHead = { ...this.#view.head, ...this.#nextBatch() };
      const result = await this.#kv.commit({
        checks: [{ key: HEAD, versionstamp: this.#view.stamp }, change.check],
        sets: [{ key: HEAD, value: encodeHead(head) }, change.set],
      });
      if (result.ok) this.#view.seen({ head, versionstamp: result.versionstamp });
      else this.#headStale = true;
      return result.ok;
    });
  }

  /** What came from leased sources goes on only where the lease is still this instance's. */
  async #settleLease(): Promise<void> {
    if (await this.#gate.isHeld()) return;
    const error = new LeaseLostError("Cannot publish: another instance has the ingest lease");
    const [lost, kept] = [true, false].map((leased) =>
      this.#waiting.filter((waiting) => waiting.leased === leased)
    ) as [Waiting[], Waiting[]];
    this.#waiting = kept;
    for (const { entries, taken, reject } of lost) {
      this.#pending -= entries.length - taken;
      reject(error);
    }
  }

  /** Reads the head and what lies between it and here, and finds out what became of a commit. */
  async #catchUp(): Promise<void> {
    this.#headStale = false;
    const now = await this.#view.reader.head();
    const frozen = this.#frozen;
    if (now && now.versionstamp === this.#view.stamp) {
      // The head has not moved: the commit did not land, and may be made again as it was.
      if (frozen) await this.#commitFrozen(frozen);
      return;
    }
    if (!now || (now.head.epoch === this.#view.epoch.id && this.#view.isOlder(now.head))) {
      await this.#view.beginEpoch(now, this.#nextBatch());
      this.#headStale = true;
      return;
    }
    if (now.head.writer !== this.writer) {
      this.#gate.doubt();
      this.#marks.forget();
    }
    if (now.head.epoch !== this.#view.epoch.id) await this.#view.adopt(now);
    if (!await this.#view.readTo(now)) {
      this.#headStale = true;
      return;
    }
    this.#view.seen(now);
    if (!frozen) return;
    this.#frozen = undefined;
    if (frozen.isIn(now.head)) {
      this.#marks.forget();
      return this.#settle(frozen);
    }
    // Another wrote first: this commit can never land, and is made anew.
    this.conflicts++;
    this.#waiting = [...new Set([...frozen.undo(), ...this.#waiting])];
  }

  /** Names the next commit of this instance. */
  #nextBatch(): { writer: string; batch: number } {
    return { writer: this.writer, batch: ++this.#batch };
  }

  #settle(append: Append): void {
    this.#pending -= append.settle();
    this.stored += append.entries.length;
  }

  // ---- start

  /** Repeats a step of the start until the store answers. */
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

  // ---- what runs beside the loop

  #staleHead(): void {
    this.#headStale = true;
    this.#bell.ring();
  }

  async #watch(): Promise<void> {
    while (!this.#closed.signal.aborted) {
      try {
        for await (const [entry] of this.#kv.watch([HEAD], this.#closed.signal)) {
          // Its own commits need no reading: their results tell.
          if (entry?.versionstamp === this.#view.stamp) continue;
          if (entry && decodeHead(entry.value).writer === this.writer) continue;
          this.#staleHead();
        }
      } catch {
        // The loop finds out whether the store is away.
        this.#staleHead();
      }
      await this.#clock.sleep(RETRY.maxMs * this.#clock.random(), this.#closed.signal);
    }
  }

  async #poll(): Promise<void> {
    while (!this.#closed.signal.aborted) {
      await this.#clock.sleep(this.#options.pollMs, this.#closed.signal);
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
        if (this.#view.lasts.dirtyCount > 0) await this.#view.lasts.flush(this.#view.epoch);
        await this.#view.ages.complete(
          this.#view.reader,
          this.#view.head.floor,
          this.#view.head.next,
        );
        idleMs = 0;
      } catch {
        // The loop finds out by itself that the store is away; this is tried again.
      }
    }
  }

  #away(error: unknown): void {
    if (this.#closed.signal.aborted || this.#state.state === "away") return;
    const reason = error instanceof Error ? error.message : String(error);
    this.#setState({ state: "away", reason, since: this.#clock.wall() });
  }

  #setState(state: FanoutState): void {
    this.#state = state;
    this.#view.listener.onState?.(state);
  }
}
