/** Sends messages in order, rate-limited, and buffers them while there is no connection. */

import type { Clock } from "../../lib/clock.ts";
import { reasonOf } from "../../telemetry/log.ts";
import { isRefusedPublish } from "../mqtt/problem.ts";
import type { Outgoing } from "../runtime/source.ts";
import { BufferWriter } from "./buffer_writer.ts";
import { Latency } from "./latency.ts";
import type { Outbound, OutboundBuffer } from "./outbound_buffer.ts";
import { OutboxItem, type Receipt, RefusedError, UndeliverableError } from "./outbox_item.ts";
import type { OutboxLimits } from "./outbox_limits.ts";
import type { RateLimit } from "../../lib/rate_limit.ts";

export interface OutboxOptions {
  readonly buffer: OutboundBuffer;
  readonly rate: RateLimit;
  readonly clock: Clock;
  readonly limits: OutboxLimits;
  /** Whether this connection sends the messages in the buffer. */
  drains(): boolean;
  publish(message: Outgoing, timeoutMs: number): Promise<void>;
  /** Called between ack and answer. A buffered message stays in the buffer until it resolves. */
  onPublished(message: Outbound): Promise<void>;
  onLog(level: "info" | "warning" | "error", text: string): void;
}

/** A message that a live connection does not acknowledge within this time counts as lost. */
const LOST_MS = 30_000;
const PAGE = 100;
/**
 * AWS closes the connection of a client that publishes what its policy forbids. A message on which
 * this many connections ended is given up.
 */
const MAX_STRIKES = 5;
const STRIKE_MS = 5_000;
const REMEMBERED = 5_000;

/**
 * Messages are sent directly while there is a connection and the buffer is empty. If the connection
 * is lost or an ack takes too long, all unacknowledged messages go into the buffer in order, and
 * new messages follow them until the buffer is empty again.
 */
export class Outbox {
  readonly latency = new Latency();
  readonly totals = { published: 0, refused: 0 };
  readonly #writer: BufferWriter;
  #open = false;
  #closed = false;
  /** The buffer may hold messages, so all messages go through it. */
  #behind: boolean;
  /** Counts lost connections; work of an earlier generation is stale. */
  #generation = 0;
  #acksInLife = 0;
  /** `seq` of the newest message that this connection has fetched from the buffer. */
  #after = 0;
  #waiting: OutboxItem[] = [];
  readonly #inFlight = new Set<OutboxItem>();
  /** In the buffer and about to be fetched: their senders may still see the ack. */
  readonly #expected = new Map<string, OutboxItem>();
  #pumping = false;
  #again = false;
  /** Ids of messages that must not be sent again if a copy is fetched from the buffer. */
  readonly #dealtWith = new Set<string>();
  #strikes = { id: "", count: 0 };
  readonly #stop = new AbortController();

  constructor(private readonly options: OutboxOptions) {
    const { buffer, clock, limits } = options;
    this.#behind = options.drains();
    this.#writer = new BufferWriter({
      buffer,
      clock,
      limitMs: limits.bufferMs,
      retryMs: limits.pollMs,
      maxWaiting: 4 * limits.maxWaiting,
      onSaved: (item) => this.#onSaved(item),
      onIdle: () => this.#pump(),
      onError: (error) => this.#onStoreError(error),
    });
  }

  /** Starts to poll the buffer for messages from other instances. */
  start(): void {
    if (this.options.buffer.shared) this.#poll();
  }

  /** Messages that were buffered, and messages that could not be buffered. */
  get bufferTotals(): { readonly buffered: number; readonly lost: number } {
    return this.#writer.totals;
  }

  /**
   * `connected: false` means that there is no point in waiting for a connection.
   * @throws {RefusedError} if the broker refuses the message.
   * @throws {UndeliverableError} if it can be neither acknowledged nor buffered.
   */
  submit(message: Outbound, { connected }: { connected: boolean }): Promise<Receipt> {
    if (this.#closed) return Promise.reject(new UndeliverableError("the service is stopped"));
    const item = new OutboxItem(message);
    if (this.#waiting.length >= this.options.limits.maxWaiting) this.#spill();
    if (this.#behind || !connected) this.#save([item]);
    else {
      this.#waiting.push(item);
      this.#limitTime(item);
    }
    this.#pump();
    return item.answer;
  }

  /** Publishes immediately, ahead of the queue, or not at all. */
  async publishNow(message: Outgoing): Promise<boolean> {
    if (!this.#open || this.options.rate.take() > 0) return false;
    await this.options.publish(message, LOST_MS);
    return true;
  }

  /** Called when there is a connection: sends the waiting messages. */
  opened(): void {
    this.#open = true;
    this.#acksInLife = 0;
    this.#after = 0;
    if (this.options.drains()) this.#behind = true;
    this.#pump();
  }

  /** Called when the connection is lost: pending acks will not arrive. */
  lost(): void {
    this.#open = false;
    this.#generation++;
    const all = [...this.#inFlight, ...this.#waiting, ...this.#expected.values()];
    const first = all.find(({ done, sentAt }) => !done && sentAt > 0);
    for (const item of all) if (typeof item.seq === "number") item.resolve("buffered");
    this.#expected.clear();
    this.#inFlight.clear();
    this.#waiting = [];
    this.#save(all.filter(({ unsaved }) => unsaved));
    if (first && this.#acksInLife === 0) this.#strike(first);
  }

  /** Waits a moment for acks, then puts the rest into the buffer. */
  async close(settleMs: number): Promise<void> {
    this.#closed = true;
    const end = performance.now() + settleMs;
    while (this.#open && this.#inFlight.size > 0 && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    this.lost();
    await this.#writer.close(this.options.limits.bufferMs);
    this.#stop.abort();
  }

  /** Saves all messages that are only in memory; those in flight may still be acked. */
  #spill(): void {
    const all = [...this.#inFlight, ...this.#waiting];
    this.#waiting = this.#waiting.filter(({ unsaved }) => !unsaved);
    this.#save(all.filter(({ unsaved }) => unsaved));
  }

  #save(items: readonly OutboxItem[]): void {
    if (items.length === 0) return;
    this.#behind = true;
    this.#writer.save(items);
  }

  #onSaved(item: OutboxItem): void {
    const comesOutSoon = this.#open && this.options.drains() && this.options.buffer.size <= PAGE;
    if (!comesOutSoon || item.overdue || this.#inFlight.has(item)) return item.resolve("buffered");
    this.#expected.set(item.message.id, item);
    this.#limitTime(item);
  }

  async #limitTime(item: OutboxItem): Promise<void> {
    const settled = new AbortController();
    const abort = () => settled.abort();
    item.answer.then(abort, abort);
    await this.options.clock.sleep(this.options.limits.ackMs, settled.signal);
    if (settled.signal.aborted) return;
    item.overdue = true;
    this.#expected.delete(item.message.id);
    // Acknowledged; only the stream does not have it yet.
    if (item.done) item.resolve("published");
    else if (typeof item.seq === "number") item.resolve("buffered");
    else this.#spill();
  }

  #pump(): void {
    this.#again = true;
    if (!this.#pumping) this.#run();
  }

  async #run(): Promise<void> {
    this.#pumping = true;
    while (this.#again && !this.#stop.signal.aborted) {
      this.#again = false;
      try {
        await this.#sendAll();
      } catch (error) {
        this.#onStoreError(error);
      }
    }
    // In the same turn as the last check of #again, or a wake-up in between would be lost.
    this.#pumping = false;
  }

  async #sendAll(): Promise<void> {
    const { rate, clock, limits } = this.options;
    while (this.#open && this.#inFlight.size < limits.maxInFlight) {
      if (this.#waiting.length === 0 && !await this.#nextPage()) break;
      if (this.#waiting.length === 0 || !this.#open) continue;
      const waitMs = rate.take();
      if (waitMs === 0) this.#send(this.#waiting.shift()!);
      else await clock.sleep(waitMs, this.#stop.signal);
    }
  }

  /** Fetches messages from the buffer; false if there is nothing to fetch. */
  async #nextPage(): Promise<boolean> {
    if (!this.#behind || !this.options.drains()) return false;
    const [generation, after] = [this.#generation, this.#after];
    const wasBusy = this.#writer.busy;
    const page = await this.options.buffer.page(after, PAGE);
    if (generation !== this.#generation || after !== this.#after) return true;
    if (page.length === 0) {
      // Messages that are still being saved come after this page; onIdle() then fetches again.
      if (!wasBusy && !this.#writer.busy) this.#behind = false;
      return this.#waiting.length > 0;
    }
    this.#after = page.at(-1)!.seq;
    const inFlight = new Set([...this.#inFlight].map(({ message }) => message.id));
    for (const { seq, message } of page) {
      const item = this.#expected.get(message.id) ?? new OutboxItem(message, seq);
      this.#expected.delete(message.id);
      if (this.#dealtWith.has(message.id)) this.#writer.remove(seq);
      else if (!inFlight.has(message.id)) this.#waiting.push(item);
    }
    return true;
  }

  #send(item: OutboxItem): void {
    const generation = this.#generation;
    const { topic, payload } = item.message;
    item.sentAt = this.options.clock.monotonic();
    this.#inFlight.add(item);
    this.options.publish({ topic, payload, qos: 1 }, LOST_MS).then(
      () => this.#onAck(item),
      (error) => {
        if (isRefusedPublish(error)) this.#refuse(item, error);
        else if (generation === this.#generation) this.#onFailure(error);
      },
    );
  }

  async #onAck(item: OutboxItem): Promise<void> {
    this.#acksInLife++;
    this.totals.published++;
    this.latency.add(this.options.clock.monotonic() - item.sentAt);
    this.#dealWith(item);
    try {
      await this.options.onPublished(item.message);
    } catch (error) {
      this.options.onLog("warning", `a message did not join the stream: ${reasonOf(error)}`);
    }
    item.resolve("published");
    // The page may have arrived before the report that the message is saved.
    this.#expected.get(item.message.id)?.resolve("published");
    this.#expected.delete(item.message.id);
    this.#settle(item);
  }

  #refuse(item: OutboxItem, error: Error): void {
    this.#acksInLife++;
    this.totals.refused++;
    this.#dealWith(item);
    const { deviceId } = item.message;
    this.options.onLog("error", `a message of ${deviceId} is given up: ${error.message}`);
    item.reject(new RefusedError(error.message));
    this.#settle(item);
  }

  #dealWith(item: OutboxItem): void {
    item.done = true;
    this.#dealtWith.add(item.message.id);
    if (this.#dealtWith.size > REMEMBERED) {
      this.#dealtWith.delete(this.#dealtWith.values().next().value!);
    }
  }

  #settle(item: OutboxItem): void {
    this.#inFlight.delete(item);
    if (typeof item.seq === "number") this.#writer.remove(item.seq);
    this.#pump();
  }

  /** Usually the connection reports its loss soon after; if not, sending resumes after a delay. */
  async #onFailure(error: unknown): Promise<void> {
    const generation = this.#generation + 1;
    this.options.onLog("info", `messages are buffered: ${reasonOf(error)}`);
    this.lost();
    await this.options.clock.sleep(this.options.limits.pollMs, this.#stop.signal);
    if (generation === this.#generation && !this.#open && !this.#closed) this.opened();
  }

  #strike(item: OutboxItem): void {
    if (this.options.clock.monotonic() - item.sentAt > STRIKE_MS) return;
    const { id, topic, deviceId } = item.message;
    this.#strikes = { id, count: this.#strikes.id === id ? this.#strikes.count + 1 : 1 };
    if (this.#strikes.count < MAX_STRIKES) return;
    this.totals.refused++;
    this.#dealWith(item);
    const why = `${MAX_STRIKES} connections ended on it; does the policy allow iot:Publish there?`;
    this.options.onLog("error", `a message of ${deviceId} to ${topic} is given up: ${why}`);
    item.reject(new RefusedError(why));
  }

  #onStoreError(error: unknown): void {
    if (!this.#closed) {
      this.options.onLog("warning", `the buffer is unavailable: ${reasonOf(error)}`);
    }
  }

  /**
   * Checks for messages of other instances. An instance that does not drain the buffer waits until
   * it is empty.
   */
  async #poll(): Promise<void> {
    const { clock, limits, buffer, drains } = this.options;
    for (;;) {
      await clock.sleep(limits.pollMs, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      try {
        if (!this.#writer.busy && this.#behind !== drains()) {
          const some = (await buffer.page(drains() ? this.#after : 0, 1)).length > 0;
          if (!this.#writer.busy) this.#behind = some;
        }
      } catch {
        // The store is unavailable: the next round checks again.
      }
      this.#pump();
    }
  }
}
