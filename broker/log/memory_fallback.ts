/** Continues the log of a single instance in memory while the disk under its store fails. */

import type { Clock } from "../../lib/clock.ts";
import type { Notifier } from "../../lib/notifier.ts";
import { Interest } from "../messages/interest.ts";
import { type KvClient, type KvKey, StoreDamagedError } from "../store/kv_client.ts";
import { HEAD, LAST_UPTO, logKey, ROOM } from "../store/kv_keys.ts";
import { type Append, packFrames } from "./log_append.ts";
import { encodeHead, type LogHead } from "./log_head.ts";
import { encodeJson } from "../store/stored_json.ts";
import type { StampedHead } from "./log_reader.ts";
import type { LogView } from "./log_view.ts";
import type { LogWriter } from "./log_writer.ts";

export interface MemoryFallbackOptions {
  readonly kv: KvClient;
  readonly view: LogView;
  readonly out: LogWriter;
  readonly clock: Clock;
  readonly retentionMs: number;
  readonly notifier: Notifier;
}

/** SQLite's errors for a disk that is full, read-only, or cannot be read or written. */
const DISK_FAILURE = /disk|read-?only|unable to open|no space/i;
/** How long the store may fail before the log continues without it. */
const AFTER_MS = 2_000;
const LOOK_EVERY_MS = 1_000;
/** Written to test whether there is room; after the delete, the file keeps the pages. */
const ROOM_KEYS: readonly KvKey[] = Array.from({ length: 8 }, (_, i) => [...ROOM, i]);
const ROOM_BYTES = 60_000;
/** Characters of payloads; {@linkcode packFrames} bounds what goes into one commit. */
const MAX_CHARS = 200_000;

/**
 * For a single instance only: other instances would not see what is in memory. The log in memory is
 * a new epoch, which follows the one in the store. It is written back if no other instance has
 * written meanwhile. The head shows that: every append and every takeover of the lease changes it.
 */
export class MemoryFallback {
  /** Whether no other instance is alive, as far as this one knows. */
  isAlone: () => boolean = () => false;
  #active = false;
  #failingSince: number | undefined;
  #mayGoOn = true;
  /** Position of the log when it left the store, and the head's versionstamp then. */
  #leftAt = 0;
  #left: string | null = null;
  /** The commit in flight then; `#landed` once it is known to be in the store. */
  #underWay: Append | undefined;
  #landed = false;
  #looking = false;
  #lookAt = 0;
  #hasRoom = false;

  constructor(private readonly options: MemoryFallbackOptions) {}

  get active(): boolean {
    return this.#active;
  }

  /** The store works. */
  worked(): void {
    this.#failingSince = undefined;
    this.#mayGoOn = true;
  }

  /**
   * The store fails: returns how long to wait for it before begin() is due. Infinity if other
   * instances are alive, or if the file is locked or the disk is slow: that ends by itself.
   */
  failed(error: unknown): number {
    if (!(error instanceof StoreDamagedError) && !DISK_FAILURE.test(String(error))) return Infinity;
    const now = this.options.clock.monotonic();
    this.#failingSince ??= now;
    const leftMs = this.#failingSince + AFTER_MS - now;
    // Other instances also fall silent if they cannot write, so once one was seen, it counts.
    if (leftMs <= 0) this.#mayGoOn &&= this.isAlone();
    return this.#mayGoOn ? leftMs : Infinity;
  }

  /** Continues the log in memory. */
  begin(reason: string): void {
    const { view, out, clock } = this.options;
    this.#active = true;
    this.#leftAt = view.log.position;
    this.#left = view.stamp;
    this.#underWay = out.leaveStore();
    this.#landed = false;
    this.#hasRoom = false;
    this.#lookAt = clock.monotonic() + LOOK_EVERY_MS;
    view.goOnInMemory(reason);
  }

  /**
   * Appends what waits in memory; false once the log is back in the store, written back or adopted
   * from it.
   */
  async step(): Promise<boolean> {
    const { view, out, clock, retentionMs } = this.options;
    if (this.#hasRoom) {
      this.#hasRoom = false;
      // If this fails, there was not enough room: it is tested again.
      if (await this.#return().catch(() => false)) return false;
    }
    this.#look();
    out.appendInMemory();
    view.log.trimOlderThan(clock.wall() - retentionMs);
    return true;
  }

  /** Tests for room beside the loop, which must not wait for a disk that does not answer. */
  #look(): void {
    const { kv, clock, notifier } = this.options;
    if (this.#looking || clock.monotonic() < this.#lookAt) return;
    this.#looking = true;
    const sets = ROOM_KEYS.map((key) => ({ key, value: new Uint8Array(ROOM_BYTES) }));
    kv.commit({ checks: [], sets }).then(() => this.#hasRoom = true, () => {}).finally(() => {
      this.#looking = false;
      this.#lookAt = clock.monotonic() + LOOK_EVERY_MS;
      notifier.notify();
    });
  }

  /** Leaves memory: writes the log back, or adopts the store's log if others have written. */
  async #return(): Promise<boolean> {
    const { view, out } = this.options;
    const now = await view.reader.head();
    const isOurs = now !== undefined &&
      (now.versionstamp === this.#left || now.head.writer === out.name);
    if (now && isOurs) {
      this.#landed ||= this.#underWay?.isIn(now.head) === true;
      await this.#writeBack(now);
    } else if (now) await view.adopt(now);
    this.#active = false;
    out.returnToStore(this.#landed ? this.#underWay : undefined);
    this.#underWay = undefined;
    return true;
  }

  async #writeBack(now: StampedHead): Promise<void> {
    const { view, out } = this.options;
    const { epoch, next } = now.head;
    const isBegun = epoch === view.epoch.id && next > view.log.start;
    let stored = isBegun ? now : await this.#commitEpoch(now);
    view.ages.clear();
    for (;;) {
      const { next } = stored.head;
      const { found } = view.log.after(next - 1, Interest.EVERYTHING, MAX_CHARS)!;
      if (found.length === 0) break;
      const entries = found.map(({ deviceId, payload, hasUuid }) => ({
        deviceId,
        payload,
        uuid: hasUuid ? "" : undefined,
      }));
      const header = { ...out.nextBatch(), logTime: view.head.logTime, time: found[0]!.time };
      const frames = packFrames(header, entries, next);
      const { writer, batch, logTime } = header;
      const head = { ...stored.head, writer, batch, logTime, next: frames.next };
      stored = await this.#commitHead(stored, { head, sets: frames.sets });
      view.ages.add(frames.ages);
    }
    view.seen(stored);
  }

  /** Begins the epoch of memory in the store, at the first message that memory still has. */
  #commitEpoch(now: StampedHead): Promise<StampedHead> {
    const { view, out } = this.options;
    const next = Math.max(view.log.start, this.#leftAt) + 1;
    const head: LogHead = {
      epoch: view.epoch.id,
      next,
      floor: next,
      logTime: view.head.logTime,
      ...out.nextBatch(),
      written: [],
    };
    const upto = { epoch: head.epoch, offset: Math.min(view.lasts.upto, this.#leftAt) };
    return this.#commitHead(now, {
      head,
      sets: [{ key: LAST_UPTO, value: encodeJson(upto) }],
      // The commit in flight had offsets that memory has given to other messages.
      deletes: [
        ...ROOM_KEYS,
        ...this.#underWay?.ages.map(({ firstOffset }) => logKey(firstOffset)) ?? [],
      ],
    });
  }

  async #commitHead(
    { versionstamp }: StampedHead,
    { head, sets, deletes = [] }: {
      head: LogHead;
      sets: { key: KvKey; value: Uint8Array }[];
      deletes?: readonly KvKey[];
    },
  ): Promise<StampedHead> {
    const result = await this.options.kv.commit({
      checks: [{ key: HEAD, versionstamp }],
      sets: [...sets, { key: HEAD, value: encodeHead(head) }],
      deletes,
    });
    if (!result.ok) throw new Error("Cannot write the log back: its head has moved");
    return { head, versionstamp: result.versionstamp };
  }
}
