/** What one instance knows of the shared log: its head and everything up to it. */

import { stageTook } from "../../telemetry/metrics.ts";
import type { Clock } from "../../lib/clock.ts";
import type { FanoutListener } from "./fanout.ts";
import type { KvClient } from "../store/kv_client.ts";
import { HEAD, ID, LAST_UPTO } from "../store/kv_keys.ts";
import { LastStore } from "./last_store.ts";
import { LogClock } from "./log_clock.ts";
import { LogFloor } from "./log_floor.ts";
import { type StoredFrame, unpackFrame } from "./log_frame.ts";
import { encodeHead, lacks, type LogHead } from "./log_head.ts";
import { encodeJson } from "../store/stored_json.ts";
import { LogReader, PAGE_FRAMES, type StampedHead } from "./log_reader.ts";
import { Epoch, type Publication } from "../messages/message.ts";
import { MessageLog } from "./message_log.ts";

/** At startup at least this much of the log is read, to detect repeats. */
const WARM_BYTES = 4_000_000;
/** Messages of other instances are delivered in turns of this many bytes. */
const TURN_BYTES = 262_144;
const NEVER = new AbortController().signal;

/**
 * Follows the log as this and other instances write it. Used by one loop, one call at a time; only
 * `lasts` is flushed beside that loop.
 */
export class LogView {
  readonly log: MessageLog;
  readonly reader: LogReader;
  readonly lasts: LastStore;
  /** Ages of the frames, to decide which ones to delete. */
  readonly ages = new LogFloor();
  listener!: FanoutListener;
  deploymentId = "";
  epoch!: Epoch;
  head!: LogHead;
  /** Versionstamp of the head. */
  stamp: string | null = null;
  readonly time: LogClock;
  /** The position lies inside a frame, not at its end: this instance has seen another log. */
  #strayed = false;

  constructor(
    private readonly kv: KvClient,
    private readonly clock: Clock,
    { recentMaxBytes }: { readonly recentMaxBytes: number },
  ) {
    this.log = new MessageLog({ maxBytes: recentMaxBytes });
    this.reader = new LogReader(kv, clock);
    this.time = new LogClock(clock);
    this.lasts = new LastStore(kv, this.log);
  }

  /** Loads the log from scratch: the last messages of devices and the newest stretch. */
  async load(by: { readonly writer: string; readonly batch: number }): Promise<void> {
    let now = await this.reader.head();
    while (!now) {
      await this.beginEpoch(undefined, by);
      now = await this.reader.head();
    }
    this.epoch = new Epoch(now.head.epoch);
    const upto = await this.lasts.load(this.epoch, (last) => this.log.restoreLast(last));
    const { floor, next } = now.head;
    const from = Math.max(floor, upto + 1);
    const frames = await this.reader.tail(Math.min(from, next), next, floor, WARM_BYTES);
    if ((frames[0]?.firstOffset ?? next) > from) {
      const again = await this.reader.head();
      // Frames were deleted before they were read, and the last messages may predate them.
      if (!again || again.head.floor > from) return await this.load(by);
    }
    this.log.reset((frames[0]?.firstOffset ?? next) - 1);
    this.ages.clear();
    for (const frame of frames) {
      if (frame.firstOffset !== this.log.position + 1) this.log.reset(frame.firstOffset - 1);
      for (const publication of this.#unpack(frame)) {
        this.log.append(publication);
        this.lasts.add(publication);
      }
      this.ages.add([frame]);
    }
    if (this.log.position + 1 !== next) this.log.reset(next - 1);
    this.seen(now);
  }

  /** The id in the store wins; an instance that finds none writes the one it knows. */
  async readDeploymentId(): Promise<void> {
    const known = this.deploymentId || Epoch.random().id;
    let entry = await this.kv.get(ID);
    while (!entry) {
      await this.kv.commit({
        checks: [{ key: ID, versionstamp: null }],
        sets: [{ key: ID, value: new TextEncoder().encode(known) }],
      });
      entry = await this.kv.get(ID);
    }
    this.deploymentId = new TextDecoder().decode(entry.value);
  }

  /** Whether the store continued from an older copy of what this instance has seen. */
  isOlder(head: LogHead): boolean {
    return this.#strayed || head.next <= this.log.position || lacks(head, this.head);
  }

  /** Delivers what others wrote up to the head; false if that head no longer exists. */
  async readTo(now: StampedHead): Promise<boolean> {
    if (now.head.floor > this.log.position + 1) {
      await this.#restart("the log moved on while this instance was away", now.head.floor - 1);
    }
    let bytes = 0;
    while (this.log.position + 1 < now.head.next) {
      const from = this.log.position + 1;
      const frames = await this.reader.frames(from, now.head.next);
      const first = frames[0]?.firstOffset ?? now.head.next;
      if (first < from) {
        this.#strayed = true;
        return false;
      }
      if (first > from || !endsAs(frames, now.head)) {
        // Frames were deleted during the read, or belong to another database: the head shows which.
        const again = await this.reader.head();
        if (again?.head.epoch !== now.head.epoch || lacks(again.head, now.head)) return false;
        const resume = Math.max(again.head.floor, first);
        if (resume > from) {
          await this.#restart("a part of the log is missing", resume - 1);
          continue;
        }
      }
      for (const frame of frames) {
        if (frame.firstOffset > this.log.position + 1) break;
        const publications = this.#unpack(frame);
        const [first] = publications;
        if (first) stageTook("wake", this.clock.wall() - first.time);
        this.deliver(publications);
        this.ages.add([frame]);
        bytes += frame.bytes.length;
        if (bytes < TURN_BYTES) continue;
        // Lets clients read what they got before they get more.
        bytes = 0;
        await this.clock.sleep(0, NEVER);
      }
    }
    return true;
  }

  /** Another epoch began: continues in it, from its floor. */
  async adopt(now: StampedHead): Promise<void> {
    await this.readDeploymentId();
    const epoch = new Epoch(now.head.epoch);
    await this.#restart("a new log began", now.head.floor - 1, epoch);
    this.head = now.head;
  }

  /** Writes the head of a new epoch: the store is empty or older than what was seen here. */
  async beginEpoch(
    now: StampedHead | undefined,
    by: { readonly writer: string; readonly batch: number },
  ): Promise<void> {
    const next = Math.max(this.log.position + 1, now?.head.next ?? 1);
    const head: LogHead = {
      epoch: Epoch.random().id,
      next,
      floor: next,
      logTime: this.head?.logTime ?? now?.head.logTime ?? 0,
      ...by,
      written: [],
    };
    await this.kv.commit({
      checks: [{ key: HEAD, versionstamp: now?.versionstamp ?? null }],
      sets: [
        { key: HEAD, value: encodeHead(head) },
        { key: LAST_UPTO, value: encodeJson({ epoch: head.epoch, offset: next - 1 }) },
      ],
    });
  }

  /** Begins another epoch after what is known, in memory only; the store's head stays as it is. */
  goOnInMemory(reason: string): void {
    this.listener.onReset(reason);
    this.epoch = Epoch.random();
    const next = this.log.position + 1;
    this.head = { ...this.head, epoch: this.epoch.id, next, floor: next };
  }

  /** Adds stored publications to the log and hands them to the listener. */
  deliver(publications: readonly Publication[]): void {
    for (const publication of publications) {
      this.log.append(publication);
      this.lasts.add(publication);
    }
    this.listener.onPublications(publications);
  }

  /** Takes the head once everything up to it has been delivered. */
  seen({ head, versionstamp }: StampedHead): void {
    this.head = head;
    this.stamp = versionstamp;
    this.time.saw(head.logTime);
    this.ages.advance(head.floor);
    this.log.trim(head.floor - 1);
  }

  /**
   * Continues after `position`: everything before it is gone, except the last messages of devices.
   */
  async #restart(reason: string, position: number, epoch = this.epoch): Promise<void> {
    const lasts: Publication[] = [];
    await this.lasts.read(epoch, (last) => lasts.push(last));
    // Reported before anything changes: sessions name what they have seen by the old position.
    this.listener.onReset(reason);
    this.epoch = epoch;
    this.log.reset(position);
    for (const last of lasts) this.log.restoreLast(last);
    this.ages.clear();
    this.lasts.reset(position);
    this.#strayed = false;
  }

  #unpack(frame: StoredFrame): Publication[] {
    const from = this.log.position;
    const isNew = (_id: string, offset: number) => offset > from;
    return unpackFrame(frame.bytes, this.epoch, frame.firstOffset, isNew);
  }
}

/** Whether a page of frames below the head ends with what the head lists as its last append. */
function endsAs(frames: readonly StoredFrame[], { next, written }: LogHead): boolean {
  const [last, newest] = [frames.at(-1), written.at(-1)];
  if (!last || !newest || frames.length >= PAGE_FRAMES) return true;
  return last.next === next && last.writer === newest[0] && last.batch === newest[1];
}
