/** Reads the shared log's frames from the store. */

import { type Clock, SYSTEM_CLOCK } from "../../lib/clock.ts";
import type { Interest } from "../messages/interest.ts";
import type { KvClient, KvEntry } from "../store/kv_client.ts";
import { HEAD, logKey } from "../store/kv_keys.ts";
import { decompressFrame, readHeader, type StoredFrame } from "./log_frame.ts";
import { decodeHead, type LogHead } from "./log_head.ts";
import type { Epoch } from "../messages/message.ts";
import type { StoredStretch } from "./replay.ts";
import { ReplayCache } from "./replay_cache.ts";

export interface StampedHead {
  readonly head: LogHead;
  readonly versionstamp: string;
}

/** Frames per page. A frame has about 60 KB, so a page has at most about 4 MB. */
export const PAGE_FRAMES = 64;

export class LogReader {
  readonly #replays: ReplayCache;

  constructor(private readonly kv: KvClient, clock: Clock = SYSTEM_CLOCK) {
    this.#replays = new ReplayCache(clock);
  }

  async head(): Promise<StampedHead | undefined> {
    const entry = await this.kv.get(HEAD);
    return entry && { head: decodeHead(entry.value), versionstamp: entry.versionstamp };
  }

  /** A page of frames below `end`, starting with the one that contains `offset`. */
  async frames(offset: number, end: number, limit = PAGE_FRAMES): Promise<StoredFrame[]> {
    return (await this.#page(offset, end, limit)).map(toFrame);
  }

  async #page(offset: number, end: number, limit: number): Promise<KvEntry[]> {
    const page = await this.kv.list({ start: logKey(offset), end: logKey(end) }, { limit });
    if (page[0] && Number(page[0].key[1]) === offset) return page;
    const [holder] = await this.kv.list(
      { start: logKey(0), end: logKey(offset + 1) },
      { limit: 1, reverse: true },
    );
    return holder && toFrame(holder).next > offset ? [holder, ...page] : page;
  }

  /**
   * The newest frames below `end`: back to the one that contains `from`, and at least `minBytes` in
   * total.
   */
  async tail(from: number, end: number, floor: number, minBytes: number): Promise<StoredFrame[]> {
    const frames: StoredFrame[] = [];
    let bytes = 0;
    for (;;) {
      const upTo = frames.at(-1)?.firstOffset ?? end;
      if (upTo <= floor || (upTo <= from && bytes >= minBytes)) break;
      const page = await this.kv.list({ start: logKey(floor), end: logKey(upTo) }, {
        limit: PAGE_FRAMES,
        reverse: true,
      });
      if (page.length === 0) break;
      for (const entry of page) {
        const frame = toFrame(entry);
        frames.push(frame);
        bytes += frame.bytes.length;
      }
    }
    return frames.reverse();
  }

  /** Publications of interest after `offset` and below `end`, about `maxBytes` in total. */
  async stretch(
    offset: number,
    end: number,
    { epoch, interest, maxBytes }: { epoch: Epoch; interest: Interest; maxBytes: number },
  ): Promise<StoredStretch> {
    const maxFrames = Math.ceil(maxBytes / 60_000) * 8;
    const read = async () => {
      const page = await this.#page(offset + 1, end, maxFrames);
      // Read after the frames, so that the caller learns of a floor that has passed them by now.
      const now = await this.head();
      // The frames may belong to another epoch, which the caller does not know of yet.
      if (now?.head.epoch !== epoch.id) return undefined;
      // Decoded lazily, one by one, with pauses in between.
      return { frames: page.values().map(toFrame), floor: now.head.floor };
    };
    return await this.#replays.stretch(offset + 1, { epoch, interest, maxFrames, read });
  }
}

function toFrame(entry: KvEntry): StoredFrame {
  const bytes = decompressFrame(entry.value);
  const header = readHeader(bytes);
  const firstOffset = Number(entry.key[1]);
  return { ...header, firstOffset, next: firstOffset + header.count, bytes };
}
