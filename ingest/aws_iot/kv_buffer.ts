/** A buffer in the shared store: it survives the process, and every instance may write to it. */

import { gunzipSync, gzipSync } from "node:zlib";
import { type Clock, SYSTEM_CLOCK } from "../../lib/clock.ts";
import type { KvClient, KvEntry, KvKey } from "../../broker/store/kv_client.ts";
import { decodeJson, encodeJson } from "../../broker/store/stored_json.ts";
import {
  BUFFER_LIMITS,
  type BufferLimits,
  type OnDropped,
  type Outbound,
  type OutboundBuffer,
  type Stored,
} from "./outbound_buffer.ts";

/** The end of the buffer. Every append checks and sets it, so that writers do not overlap. */
interface Tail {
  readonly next: number;
  /** The last writer, and that writer's number for the append. */
  readonly writer: string;
  readonly append: number;
}

const PREFIX: KvKey = ["iot_buffer"];
const TAIL: KvKey = ["iot_buffer_tail"];
const keyOf = (seq: number): KvKey => ["iot_buffer", seq];
const EMPTY: Tail = { next: 1, writer: "", append: 0 };

/** The store accepts 64 KiB per value and 800 KiB per commit, which sets and deletes share. */
const MAX_VALUE_BYTES = 65_000;
const MAX_COMMIT_BYTES = 500_000;
const MAX_COMMIT_MESSAGES = 100;
const MAX_COMMIT_DELETES = 800;
const MAX_TRIES = 50;

export interface KvBufferOptions {
  readonly limits?: BufferLimits | undefined;
  readonly clock?: Clock | undefined;
  readonly onDropped?: OnDropped | undefined;
}

export class KvBuffer implements OutboundBuffer {
  readonly shared = true;
  /** The first message and the end, as last seen; `#removed` counts removals between them. */
  #first = 1;
  #tail = EMPTY;
  #removed = 0;
  #append = 0;
  readonly #writer = crypto.randomUUID().slice(0, 12);
  readonly #limits: BufferLimits;
  readonly #clock: Clock;

  constructor(private readonly kv: KvClient, private readonly options: KvBufferOptions = {}) {
    this.#limits = options.limits ?? BUFFER_LIMITS;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
  }

  get size(): number {
    return Math.max(0, this.#tail.next - this.#first - this.#removed);
  }

  async append(messages: readonly Outbound[]): Promise<number[]> {
    const seqs: number[] = [];
    let rest = messages.map((message) => ({ message, value: encode(message) }));
    while (rest.length > 0) {
      let bytes = 0;
      const fits = rest.findIndex(({ value }, i) =>
        i === MAX_COMMIT_MESSAGES || (i > 0 && bytes + value.length > MAX_COMMIT_BYTES) ||
        ((bytes += value.length), false)
      );
      const batch = fits < 0 ? rest : rest.slice(0, fits);
      const first = await this.#appendBatch(batch);
      seqs.push(...batch.map((_, i) => first + i));
      rest = rest.slice(batch.length);
    }
    return seqs;
  }

  async page(after: number, limit: number): Promise<Stored[]> {
    const oldest = this.#clock.wall() - this.#limits.maxAgeMs;
    for (;;) {
      const entries = await this.kv.list(
        { start: keyOf(after + 1), end: keyOf(Number.MAX_SAFE_INTEGER) },
        { limit },
      );
      const all = entries.map(({ key, value }) => ({
        seq: key[1] as number,
        message: decode(value),
      }));
      const last = all.at(-1)?.seq ?? 0;
      if (last >= this.#tail.next) this.#tail = { ...this.#tail, next: last + 1 };
      if (after < this.#first) this.#seen(all[0]?.seq);
      const old = all.filter(({ message }) => message.at < oldest);
      if (old.length === 0) return all;
      await this.#drop(old.map(({ seq }) => seq), "too old");
      const page = all.filter(({ message }) => message.at >= oldest);
      if (page.length > 0) return page;
    }
  }

  async remove(seqs: readonly number[]): Promise<void> {
    for (let i = 0; i < seqs.length; i += MAX_COMMIT_DELETES) {
      const part = seqs.slice(i, i + MAX_COMMIT_DELETES);
      await this.kv.commit({ checks: [], sets: [], deletes: part.map(keyOf) });
      this.#removed += part.length;
    }
  }

  /**
   * One commit, retried until its outcome is known. The KV client may retry internally and then
   * report `ok: false` because of its own earlier write, and a timeout reports nothing.
   */
  async #appendBatch(batch: readonly { message: Outbound; value: Uint8Array }[]): Promise<number> {
    const append = ++this.#append;
    let failure: unknown;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const entry = await this.kv.get(TAIL);
      const tail = tailOf(entry);
      if (tail.writer === this.#writer && tail.append === append) {
        return this.#appended(tail, batch.length);
      }
      // Another writer may have written since, which hides that this append succeeded.
      const landed = tries > 0 && await this.#find(batch[0]!.message.id, tail.next);
      if (landed) return landed;
      // No answer, and the tail is unchanged: with the same check it can succeed at most once.
      if (failure !== undefined && tries > 1) throw failure;
      const next: Tail = { next: tail.next + batch.length, writer: this.#writer, append };
      const over = await this.#tooMany(next.next);
      try {
        const result = await this.kv.commit({
          checks: [{ key: TAIL, versionstamp: entry?.versionstamp ?? null }],
          sets: [
            ...batch.map(({ value }, i) => ({ key: keyOf(tail.next + i), value })),
            { key: TAIL, value: encodeJson(next) },
          ],
          deletes: over.map(keyOf),
        });
        if (!result.ok) {
          failure = undefined;
          await apart(tries);
          continue;
        }
        if (over.length > 0) {
          this.#seen(over.at(-1)! + 1);
          this.options.onDropped?.(over.length, "too many");
        }
        return this.#appended(next, batch.length);
      } catch (error) {
        failure = error;
      }
    }
    throw failure ?? new Error("too many writers append to the buffer at once");
  }

  #appended(tail: Tail, count: number): number {
    this.#tail = tail;
    return tail.next - count;
  }

  /** Looks for a message among the newest 1,000. */
  async #find(id: string, next: number): Promise<number | undefined> {
    const range = { start: keyOf(Math.max(1, next - 1_000)), end: keyOf(next) };
    const entries = await this.kv.list(range, { limit: 1_000 });
    return entries.find(({ value }) => decode(value).id === id)?.key[1] as number | undefined;
  }

  /** The oldest messages beyond the limit if the buffer ends at `next`. */
  async #tooMany(next: number): Promise<number[]> {
    if (next - this.#first <= this.#limits.maxMessages) return [];
    const entries = await this.kv.list({ prefix: PREFIX }, { limit: MAX_COMMIT_DELETES });
    const seqs = entries.map(({ key }) => key[1] as number);
    this.#seen(seqs[0]);
    return seqs.filter((seq) => next - seq > this.#limits.maxMessages);
  }

  async #drop(seqs: readonly number[], reason: "too many" | "too old"): Promise<void> {
    await this.remove(seqs);
    this.options.onDropped?.(seqs.length, reason);
  }

  #seen(first: number | undefined): void {
    this.#first = first ?? this.#tail.next;
    this.#removed = 0;
  }
}

function tailOf(entry: KvEntry | undefined): Tail {
  return entry ? decodeJson(entry.value) as Tail : EMPTY;
}

function encode(message: Outbound): Uint8Array {
  const plain = encodeJson(message);
  const value = plain.length <= MAX_VALUE_BYTES ? plain : new Uint8Array(gzipSync(plain));
  if (value.length <= MAX_VALUE_BYTES) return value;
  throw new RangeError(`a message of ${plain.length} bytes does not fit into the buffer`);
}

function decode(value: Uint8Array): Outbound {
  const bytes = value[0] === 0x1f ? new Uint8Array(gunzipSync(value)) : value;
  return decodeJson(bytes) as Outbound;
}

/** A random delay, so that writers whose appends collided do not collide again. */
function apart(tries: number): Promise<void> {
  const ms = Math.random() * Math.min(50, 1 + tries);
  return new Promise((resolve) => setTimeout(resolve, ms));
}
