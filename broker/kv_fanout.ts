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
import { HEAD, ID, LAST_UPTO } from "./kv_keys.ts";
import { LastStore } from "./last_store.ts";
import { Append, type Waiting } from "./log_append.ts";
import { LogFloor } from "./log_floor.ts";
import { unpackFrame, WRITER_CHARS } from "./log_frame.ts";
import { decodeHead, encodeHead, encodeJson, lacks, type LogHead } from "./log_head.ts";
import { LogReader, PAGE_FRAMES, type StampedHead, type StoredFrame } from "./log_reader.ts";
import { type Entry, Epoch, parseCursor, Publication } from "./message.ts";
import type { LeaseChange } from "./lease.ts";
import { Marks } from "./marks.ts";
import { MessageLog } from "./message_log.ts";
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

/** The log's clock follows a writer's by at most this much a commit. */
const MAX_LOG_STEP_MS = 10_000;
/** At a start at least this much of the log is read, to know what is a repeat. */
const WARM_BYTES = 4_000_000;
/** Another instance writes the last messages behind, unless it has stopped for so long. */
const FOREIGN_FLUSH_MS = 10_000;
const RETRY = { baseMs: 50, maxMs: 2_000 };

export class KvFanout implements Fanout {
  readonly log: MessageLog;
  /** Names this instance in the log. */
  readonly writer: string;
  deploymentId = "";
  /** Commits that had to be made anew because another instance wrote first. */
  conflicts = 0;
  commits = 0;
  stored = 0;

  readonly #kv: KvClient;
  readonly #reader: LogReader;
  readonly #lasts: LastStore;
  readonly #floor = new LogFloor();
  readonly #marks: Marks;
  readonly #clock: Clock;
  readonly #options: Required<Omit<KvFanoutOptions, "clock">>;
  readonly #closed = new AbortController();
  readonly #bell = new Doorbell();
  #listener!: FanoutListener;
  #state: FanoutState = { state: "starting" };
  #epoch!: Epoch;
  #head!: LogHead;
  #stamp: string | null = null;
  /** When the head was first seen as it is, by the monotonic clock. */
  #headSeen = 0;
  #headStale = false;
  #waiting: Waiting[] = [];
  #pending = 0;
  #batch = 0;
  #fences: {
    change: LeaseChange;
    resolve: (done: boolean) => void;
    reject: (error: unknown) => void;
  }[] = [];
  #proveLease: () => Promise<boolean> = () => Promise.resolve(true);
  /** Another instance wrote since the lease was proven last. */
  #leaseInDoubt = false;
  /** A commit whose fate is not known, or that is under way: never changed, only repeated. */
  #frozen: Append | undefined;
  #tasks: Promise<void>[] = [];

  constructor(kv: KvClient, options: KvFanoutOptions) {
    this.#kv = kv;
    this.#reader = new LogReader(kv);
    this.#marks = new Marks(kv);
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#options = { pollMs: 1000, flushMs: 2000, ...options };
    this.log = new MessageLog({ maxBytes: options.recentMaxBytes });
    this.#lasts = new LastStore(kv, this.log);
    this.writer = Array.from(
      { length: WRITER_CHARS },
      () => Math.floor(this.#clock.random() * 36).toString(36),
    ).join("");
  }

  get epoch(): Epoch {
    return this.#epoch;
  }

  get floor(): number {
    return this.#head.floor;
  }

  get state(): FanoutState {
    return this.#state;
  }

  get pending(): number {
    return this.#pending;
  }

  async start(listener: FanoutListener): Promise<void> {
    this.#listener = listener;
    await this.#retried(() => this.#load());
    await this.#retried(() => this.#readDeploymentId());
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
    return new Promise((resolve, reject) => {
      this.#fences.push({ change, resolve, reject });
      this.#bell.ring();
    });
  }

  /** Sets what says whether this instance has the ingest lease now; it reads the store. */
  set leaseProof(prove: () => Promise<boolean>) {
    this.#proveLease = prove;
  }

  async since(cursor: string, interest: Interest, signal: AbortSignal): Promise<Replay> {
    const position = parseCursor(cursor);
    if (!position || !await this.#isKept(position, signal)) return new NoReplay(this.log);
    const read = (after: number, interest: Interest, maxBytes: number) =>
      this.#reader.stretch(after, this.log.position + 1, {
        epoch: this.#epoch,
        interest,
        maxBytes,
      });
    return new LogReplay(this.log, interest, read, {
      at: position.offset,
      floor: () => this.floor,
      epoch: () => this.#epoch,
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
      await this.#lasts.flush(this.#epoch).catch(() => false);
    }
  }

  /** A cursor beyond what was seen here is judged by the head of the store. */
  async #isKept(
    position: { epoch: string; offset: number },
    signal: AbortSignal,
  ): Promise<boolean> {
    const ahead = () => position.epoch !== this.#epoch.id || position.offset > this.log.position;
    if (!ahead()) return true;
    for (let tries = 0; ahead(); tries++) {
      if (signal.aborted || this.#closed.signal.aborted) return false;
      const now = await this.#reader.head().catch(() => undefined);
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
        else if (this.#fences.length > 0) await this.#commitFence();
        else if (this.#leaseInDoubt && this.#waiting.some(({ leased }) => leased)) {
          await this.#settleLease();
        } else if (this.#waiting.length > 0) await this.#append();
        else await this.#bell.wait();
        if (this.#state.state === "away" && !this.#headStale) this.#setState({ state: "ready" });
        failures = 0;
      } catch (error) {
        this.#headStale = true;
        this.#away(error);
        for (const { reject } of this.#fences.splice(0)) reject(error);
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
    const append = new Append(this.#waiting, this.log, this.#marks);
    this.#waiting = this.#waiting.filter(({ entries, taken }) => taken < entries.length);
    if (append.entries.length === 0) return this.#settle(append);
    const now = this.#clock.monotonic();
    const logTime = this.#head.logTime +
      Math.max(0, Math.min(MAX_LOG_STEP_MS, now - this.#headSeen));
    const { deletes, floor } = this.#floor.expired({
      floor: this.#head.floor,
      olderThan: logTime - this.#options.retentionMs,
      upTo: this.#lasts.upto,
    });
    append.freeze(this.#head, this.#stamp, {
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
    this.#seen({ head: append.head, versionstamp: result.versionstamp });
    this.#floor.add(append.ages);
    this.#marks.advance(append.entries);
    this.#deliver(append.publications(this.#epoch));
    this.#settle(append);
  }

  async #commitFence(): Promise<void> {
    const { change, resolve, reject } = this.#fences.shift()!;
    const head: LogHead = { ...this.#head, writer: this.writer, batch: ++this.#batch };
    try {
      const result = await this.#kv.commit({
        checks: [{ key: HEAD, versionstamp: this.#stamp }, change.check],
        sets: [{ key: HEAD, value: encodeHead(head) }, change.set],
      });
      if (result.ok) this.#seen({ head, versionstamp: result.versionstamp });
      else this.#headStale = true;
      resolve(result.ok);
    } catch (error) {
      reject(error);
      throw error;
    }
  }

  /** What came from leased sources goes on only where the lease is still this instance's. */
  async #settleLease(): Promise<void> {
    if (await this.#proveLease()) {
      this.#leaseInDoubt = false;
      return;
    }
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
    const now = await this.#reader.head();
    const frozen = this.#frozen;
    if (now && now.versionstamp === this.#stamp) {
      // The head has not moved: the commit did not land, and may be made again as it was.
      if (frozen) await this.#commitFrozen(frozen);
      return;
    }
    if (!now || (now.head.epoch === this.#epoch.id && this.#isOlder(now.head))) {
      return await this.#beginEpoch(now);
    }
    if (now.head.writer !== this.writer) {
      this.#leaseInDoubt = true;
      this.#marks.forget();
    }
    if (now.head.epoch !== this.#epoch.id) await this.#adopt(now);
    if (!await this.#readTo(now)) {
      this.#headStale = true;
      return;
    }
    this.#seen(now);
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

  /** The store is an older copy of the one that this instance has seen. */
  #isOlder(head: LogHead): boolean {
    return head.next <= this.log.position || lacks(head, this.#head);
  }

  /** Delivers what others wrote up to the head; false where that head is no more. */
  async #readTo(now: StampedHead): Promise<boolean> {
    if (now.head.floor > this.log.position + 1) {
      await this.#restart("the log moved on while this instance was away", now.head.floor - 1);
    }
    while (this.log.position + 1 < now.head.next) {
      const from = this.log.position + 1;
      const frames = await this.#reader.frames(from, now.head.next);
      const first = frames[0]?.firstOffset ?? now.head.next;
      if (first > from || !endsAs(frames, now.head)) {
        // Deleted while it was read, or of another database: the head tells.
        const again = await this.#reader.head();
        if (again?.head.epoch !== now.head.epoch || lacks(again.head, now.head)) return false;
        const resume = Math.max(again.head.floor, first);
        if (resume > from) {
          await this.#restart("a part of the log is missing", resume - 1);
          continue;
        }
      }
      for (const frame of frames) {
        if (frame.firstOffset > this.log.position + 1) break;
        this.#deliver(this.#unpack(frame));
        this.#floor.add([frame]);
      }
    }
    return true;
  }

  #unpack(frame: StoredFrame): Publication[] {
    const from = this.log.position;
    const isNew = (_id: string, offset: number) => offset > from;
    return unpackFrame(frame.bytes, this.#epoch, frame.firstOffset, isNew);
  }

  /** Writes a head of a new epoch: the store is empty, or older than what was seen here. */
  async #beginEpoch(now: StampedHead | undefined): Promise<void> {
    const next = Math.max(this.log.position + 1, now?.head.next ?? 1);
    const head: LogHead = {
      epoch: Epoch.random().id,
      next,
      floor: next,
      logTime: this.#head?.logTime ?? now?.head.logTime ?? 0,
      writer: this.writer,
      batch: ++this.#batch,
      written: [],
    };
    await this.#kv.commit({
      checks: [{ key: HEAD, versionstamp: now?.versionstamp ?? null }],
      sets: [
        { key: HEAD, value: encodeHead(head) },
        { key: LAST_UPTO, value: encodeJson({ epoch: head.epoch, offset: next - 1 }) },
      ],
    });
    this.#headStale = true;
  }

  async #adopt(now: StampedHead): Promise<void> {
    await this.#readDeploymentId();
    const epoch = new Epoch(now.head.epoch);
    await this.#restart("the log began anew", now.head.floor - 1, epoch);
    this.#head = now.head;
  }

  /** Goes on behind `position`: what lies between is gone, but for the last messages of devices. */
  async #restart(reason: string, position: number, epoch = this.#epoch): Promise<void> {
    const lasts: Publication[] = [];
    await this.#lasts.read(epoch, (last) => lasts.push(last));
    // Told before anything changes: what sessions have seen is named by the old position.
    this.#listener.onReset(reason);
    this.#epoch = epoch;
    this.log.reset(position);
    for (const last of lasts) this.log.restoreLast(last);
    this.#floor.clear();
    this.#lasts.reset(position);
  }

  #deliver(publications: readonly Publication[]): void {
    for (const publication of publications) {
      this.log.append(publication);
      this.#lasts.add(publication);
    }
    this.#listener.onPublications(publications);
  }

  #settle(append: Append): void {
    this.#pending -= append.settle();
    this.stored += append.entries.length;
  }

  #seen({ head, versionstamp }: StampedHead): void {
    this.#head = head;
    this.#stamp = versionstamp;
    this.#headSeen = this.#clock.monotonic();
    this.#floor.advance(head.floor);
    this.log.trim(head.floor - 1);
  }

  // ---- start

  /** What the store says counts; whoever finds that it says nothing writes the id it knows. */
  async #readDeploymentId(): Promise<void> {
    const known = this.deploymentId || Epoch.random().id;
    let entry = await this.#kv.get(ID);
    while (!entry) {
      await this.#kv.commit({
        checks: [{ key: ID, versionstamp: null }],
        sets: [{ key: ID, value: new TextEncoder().encode(known) }],
      });
      entry = await this.#kv.get(ID);
    }
    this.deploymentId = new TextDecoder().decode(entry.value);
  }

  async #load(): Promise<void> {
    let now = await this.#reader.head();
    while (!now) {
      await this.#beginEpoch(undefined);
      now = await this.#reader.head();
    }
    this.#epoch = new Epoch(now.head.epoch);
    const upto = await this.#lasts.load(this.#epoch, (last) => this.log.restoreLast(last));
    const { floor, next } = now.head;
    const from = Math.max(floor, upto + 1);
    const frames = await this.#reader.tail(Math.min(from, next), next, floor, WARM_BYTES);
    if ((frames[0]?.firstOffset ?? next) > from) {
      const again = await this.#reader.head();
      // Frames were deleted before they were read, and the last messages may be older than they.
      if (!again || again.head.floor > from) return await this.#load();
    }
    this.log.reset((frames[0]?.firstOffset ?? next) - 1);
    this.#floor.clear();
    for (const frame of frames) {
      if (frame.firstOffset !== this.log.position + 1) this.log.reset(frame.firstOffset - 1);
      for (const publication of this.#unpack(frame)) {
        this.log.append(publication);
        this.#lasts.add(publication);
      }
      this.#floor.add([frame]);
    }
    if (this.log.position + 1 !== next) this.log.reset(next - 1);
    this.#seen(now);
  }

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
          if (entry?.versionstamp === this.#stamp) continue;
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
      const mine = this.#head.writer === this.writer || idleMs >= FOREIGN_FLUSH_MS;
      if (!mine || this.#state.state !== "ready") continue;
      try {
        if (this.#lasts.dirtyCount > 0) await this.#lasts.flush(this.#epoch);
        await this.#floor.complete(this.#reader, this.#head.floor, this.#head.next);
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
    this.#listener.onState?.(state);
  }
}

/** Whether a page of frames below the head ends with what that head says was written last. */
function endsAs(frames: readonly StoredFrame[], { next, written }: LogHead): boolean {
  const [last, newest] = [frames.at(-1), written.at(-1)];
  if (!last || !newest || frames.length >= PAGE_FRAMES) return true;
  return last.next === next && last.writer === newest[0] && last.batch === newest[1];
}
