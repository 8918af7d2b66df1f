/** One commit to the shared log: built once, then only repeated. */

import type { KvCommit, KvKey } from "./kv_client.ts";
import { deliveryKey, HEAD, logKey, markKey } from "./kv_keys.ts";
import { type FrameHeader, packFrame } from "./log_frame.ts";
import { encodeHead, encodeJson, type LogHead } from "./log_head.ts";
import { type Entry, type Epoch, Publication } from "./message.ts";
import type { MessageLog } from "./message_log.ts";

/** A publish() that waits for its messages to be stored. */
export interface Waiting {
  readonly entries: readonly Entry[];
  done: number;
  resolve(): void;
  reject(error: Error): void;
}

/** A commit may have 800 KiB and 1,000 changes; the rest is for the head, marks and deletes. */
const MAX_BYTES = 600_000;
const MAX_ENTRIES = 5_000;
const MAX_JOBS = 500;

/** Takes from the waiting publishes what fits into one commit, without what is a repeat. */
export class Append {
  readonly waiting: Waiting[] = [];
  readonly entries: Entry[] = [];
  commit!: KvCommit;
  head!: LogHead;
  header!: FrameHeader;
  readonly ages: { firstOffset: number; next: number; logTime: number }[] = [];

  constructor(waiting: readonly Waiting[], log: MessageLog) {
    const payloads = new Set<string>();
    let bytes = 0;
    let jobs = 0;
    for (const next of waiting) {
      const size = next.entries.reduce((sum, entry) => sum + entry.payload.length * 2, 0);
      const count = next.entries.length;
      const full = bytes + size > MAX_BYTES || this.entries.length + count > MAX_ENTRIES ||
        jobs + count > MAX_JOBS;
      if (full && this.waiting.length > 0) break;
      this.waiting.push(next);
      bytes += size;
      for (const entry of next.entries) {
        if (log.repeated(entry)) continue;
        if (entry.uuid !== undefined) {
          const key = `${entry.deviceId}\0${entry.payload}`;
          if (payloads.has(key)) continue;
          payloads.add(key);
        }
        if (entry.job) jobs++;
        this.entries.push(entry);
      }
    }
  }

  /** Makes the commit against the head as it is known; nothing of it changes afterwards. */
  freeze(
    head: LogHead,
    versionstamp: string | null,
    options: { header: FrameHeader; deletes: KvKey[]; floor: number },
  ): void {
    this.header = options.header;
    const { writer, batch, logTime } = options.header;
    const sets: { key: KvKey; value: Uint8Array }[] = [];
    let next = head.next;
    for (let i = 0; i < this.entries.length;) {
      const { bytes, count } = packFrame(options.header, this.entries, i);
      sets.push({ key: logKey(next), value: bytes });
      this.ages.push({ firstOffset: next, next: next + count, logTime });
      next += count;
      i += count;
    }
    const marks = new Map<string, { key: KvKey; value: Uint8Array }>();
    this.entries.forEach(({ job, mark }, i) => {
      if (job) {
        const key = deliveryKey(job.lane, head.next + i);
        sets.push({ key, value: new TextEncoder().encode(job.body) });
      }
      if (mark) {
        marks.set(mark.key.join("\0"), { key: markKey(mark.key), value: encodeJson(mark.offset) });
      }
    });
    this.head = { epoch: head.epoch, next, floor: options.floor, logTime, writer, batch };
    this.commit = {
      checks: [{ key: HEAD, versionstamp }],
      sets: [...sets, ...marks.values(), { key: HEAD, value: encodeHead(this.head) }],
      deletes: options.deletes,
    };
  }

  publications(epoch: Epoch): Publication[] {
    const first = this.head.next - this.entries.length;
    const { time } = this.header;
    return this.entries.map(({ deviceId, payload, uuid }, i) =>
      new Publication(epoch, first + i, deviceId, payload, uuid !== undefined, time)
    );
  }
}
