/** Stores messages from people: each becomes one durable job of its sender's partition. */

import { createHash } from "node:crypto";
import { backoffMs } from "../../lib/backoff.ts";
import { type Clock, SYSTEM_CLOCK } from "../../lib/clock.ts";
import type { KvClient, KvKey } from "../store/kv_client.ts";
import { deliveryKey, INBOUND_PREFIX, inboundKey } from "../store/kv_keys.ts";
import { decodeJson, encodeJson } from "../store/stored_json.ts";
import { asStore } from "../store/store_failure.ts";
import { INBOUND } from "./alarm_handler.ts";
import type { InboundMessage } from "../messages/inbound_message.ts";

export type InboundOutcome = "queued" | "repeat";

export interface InboxOptions {
  /** Called when jobs were stored. */
  readonly onQueued?: () => void;
  /** Gets the error that keeps messages waiting: a {@linkcode StoreFailure}, or a bug. */
  readonly onError?: (error: unknown) => void;
  readonly clock?: Clock;
}

/** What is stored about a sender. */
interface Sender {
  /** Digests of the ids of its last messages. */
  readonly ids: readonly string[];
  /** Offset of its last job. */
  readonly last: number;
  /** When it last wrote, in ms since 1970. */
  readonly time: number;
}

interface Known extends Sender {
  readonly versionstamp: string | null;
}

interface Waiting {
  readonly message: InboundMessage;
  readonly partition: string;
  readonly digest: string;
  readonly signal: AbortSignal;
  readonly resolve: (outcome: InboundOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/** Number of ids kept per sender to detect repeats. */
const REMEMBERED = 200;
/** Less than {@linkcode REMEMBERED}: the ids show whether a commit of unknown outcome landed. */
const MAX_OF_SENDER = 100;
/** Each sender is a check, and denokv takes 10 of them per commit. */
const MAX_SENDERS = 10;
const MAX_CHARS = 200_000;
const MAX_CACHED = 1_000;
const FORGET_MS = 7 * 86_400_000;
const SWEEP_MS = 3_600_000;
const SWEEP_PAGE = 500;
const RETRY = { baseMs: 50, maxMs: 2_000 };

/**
 * - Order: messages of one sender are queued in the order of their store() calls.
 * - Repeats: an id that is among the sender's last 200, on any instance, is not queued again.
 * - While the store is unavailable, store() waits. One commit is in flight at a time, with as many
 *   waiting messages as fit.
 */
export class Inbox implements AsyncDisposable {
  #waiting: Waiting[] = [];
  #run: Promise<void> | undefined;
  readonly #closed = new AbortController();
  readonly #known = new Map<string, Known>();
  readonly #clock: Clock;
  #sweptAt: number;
  #sweptTo: KvKey | undefined;

  readonly #kv: KvClient;

  constructor(kv: KvClient, private readonly options: InboxOptions = {}) {
    this.#kv = asStore(kv);
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#sweptAt = this.#clock.monotonic();
  }

  /** Resolves once the message is durable; rejects if the signal aborts or the inbox closes. */
  store(message: InboundMessage, signal: AbortSignal): Promise<InboundOutcome> {
    return new Promise((resolve, reject) => {
      const partition = partitionOf(message.sender);
      const digest = digestOf(message.id ?? crypto.randomUUID());
      if (this.#closed.signal.aborted) return reject(this.#closed.signal.reason);
      this.#waiting.push({ message, partition, digest, signal, resolve, reject });
      this.#run ??= this.#work();
    });
  }

  /** Number of messages that are not durable yet. */
  get pending(): number {
    return this.#waiting.length;
  }

  /** Rejects the messages that are not durable yet. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(new Error("Cannot store: the inbox is closed"));
    await this.#run;
  }

  async #work(): Promise<void> {
    for (let failures = 0; this.#waiting.length > 0;) {
      const [batch, partitions] = this.#take();
      try {
        const outcomes = await this.#commit(batch, partitions);
        this.#waiting.splice(0, batch.length);
        batch.forEach(({ resolve }, i) => resolve(outcomes[i]!));
        if (outcomes.includes("queued")) this.options.onQueued?.();
        failures = 0;
      } catch (error) {
        this.options.onError?.(error);
        // The store is unavailable; the next try finds out by the ids whether the commit landed.
        for (const partition of partitions) this.#known.delete(partition);
        await this.#pause(failures++);
      }
    }
    this.#run = undefined;
    await this.#sweep().catch((error) => this.options.onError?.(error));
  }

  /** The first waiting messages that fit in one commit, and their partitions. */
  #take(): [readonly Waiting[], ReadonlySet<string>] {
    const counts = new Map<string, number>();
    let chars = 0;
    let end = 0;
    for (const { message, partition } of this.#waiting) {
      const count = (counts.get(partition) ?? 0) + 1;
      chars += message.body.length;
      const full = count > MAX_OF_SENDER || chars > MAX_CHARS ||
        (count === 1 && counts.size === MAX_SENDERS);
      if (full && end > 0) break;
      counts.set(partition, count);
      end++;
    }
    return [this.#waiting.slice(0, end), new Set(counts.keys())];
  }

  async #commit(
    batch: readonly Waiting[],
    partitions: ReadonlySet<string>,
  ): Promise<InboundOutcome[]> {
    for (let tries = 0;; tries++) {
      await Promise.all([...partitions].map((partition) => this.#load(partition)));
      const next = new Map(
        [...partitions].map((partition) => [partition, { ...this.#known.get(partition)! }]),
      );
      const time = this.#clock.wall();
      const jobs: { key: KvKey; value: Uint8Array }[] = [];
      const outcomes = batch.map(({ partition, digest, message }): InboundOutcome => {
        const sender = next.get(partition)!;
        if (sender.ids.includes(digest)) return "repeat";
        const last = Math.max(sender.last + 1, time * 1000);
        next.set(partition, {
          ...sender,
          ids: [...sender.ids, digest].slice(-REMEMBERED),
          last,
          time,
        });
        jobs.push({ key: deliveryKey(partition, last), value: jobOf(message, time) });
        return "queued";
      });
      if (jobs.length === 0) return outcomes;
      const senders = [...next].map(([partition, { ids, last, time }]) => ({
        key: inboundKey(partition),
        value: encodeJson({ ids, last, time } satisfies Sender),
      }));
      const result = await this.#kv.commit({
        checks: [...next].map(([partition, { versionstamp }]) => ({
          key: inboundKey(partition),
          versionstamp,
        })),
        sets: [...senders, ...jobs],
      });
      for (const [partition, sender] of next) {
        if (result.ok) this.#remember(partition, { ...sender, versionstamp: result.versionstamp });
        else this.#known.delete(partition);
      }
      if (result.ok) return outcomes;
      if (tries > 0) await this.#clock.sleep(5 * tries * this.#clock.random(), this.#closed.signal);
    }
  }

  async #load(partition: string): Promise<void> {
    if (this.#known.has(partition)) return;
    const entry = await this.#kv.get(inboundKey(partition));
    this.#known.set(
      partition,
      entry
        ? { ...decodeJson(entry.value) as Sender, versionstamp: entry.versionstamp }
        : { ids: [], last: 0, time: 0, versionstamp: null },
    );
  }

  #remember(partition: string, sender: Known): void {
    this.#known.delete(partition);
    this.#known.set(partition, sender);
    if (this.#known.size > MAX_CACHED) this.#known.delete(this.#known.keys().next().value!);
  }

  /** Waits between two tries, and rejects callers that gave up meanwhile. */
  async #pause(failures: number): Promise<void> {
    const closed = this.#closed.signal;
    const wait = backoffMs(failures, { ...RETRY, random: () => this.#clock.random() });
    await this.#clock.sleep(wait, closed);
    this.#waiting = this.#waiting.filter(({ signal, reject }) => {
      const gone = [closed, signal].find(({ aborted }) => aborted);
      if (gone) reject(gone.reason);
      return !gone;
    });
  }

  /** Once an hour, forgets some of the senders that were silent for a week. */
  async #sweep(): Promise<void> {
    if (this.#clock.monotonic() - this.#sweptAt < SWEEP_MS) return;
    this.#sweptAt = this.#clock.monotonic();
    const after = this.#sweptTo;
    const page = await this.#kv.list(
      { prefix: INBOUND_PREFIX },
      { limit: SWEEP_PAGE, ...(after ? { after } : {}) },
    );
    this.#sweptTo = page.length < SWEEP_PAGE ? undefined : page.at(-1)!.key;
    for (const { key, value, versionstamp } of page) {
      if ((decodeJson(value) as Sender).time > this.#clock.wall() - FORGET_MS) continue;
      await this.#kv.commit({ checks: [{ key, versionstamp }], sets: [], deletes: [key] });
    }
  }
}

/** Keeps the text of the body: parsing and writing it again could make it larger. */
function jobOf({ body }: InboundMessage, time: number): Uint8Array {
  return new TextEncoder().encode(
    `{"kind":${JSON.stringify(INBOUND)},"time":${time},"data":{"message":${body}}}`,
  );
}

/** Hides the phone number: partitions are part of delivery ids, which appear in logs. */
function partitionOf(sender: string): string {
  return `inbound:${digestOf(sender)}`;
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 16);
}
