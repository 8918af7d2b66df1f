/** One connection of a group member, until it is lost or closed. */

import type {
  Admin,
  Consumer,
  ConsumerCommitOffsetsEvent,
  ConsumerGroupJoinEvent,
  EachBatchPayload,
  Kafka,
} from "kafkajs";
import { Buffer } from "node:buffer";
import { sleep } from "../../lib/clock.ts";
import type { Intake } from "../runtime/source.ts";
import { fetchOffsets } from "./offsets.ts";
import { KafkaOrigin } from "./origin.ts";
import { nameOf, type Partition, type Partitions } from "./partition.ts";
import { reasonOf } from "./reason.ts";
import type { Topics } from "./topics.ts";
import { fetchBegins, reportTooLarge } from "./unpacking.ts";

export interface ConnectionOptions {
  readonly kafka: Kafka;
  readonly group: string;
  readonly topics: Topics;
  readonly partitions: Partitions;
  readonly intake: Intake;
  /** After this much silence the group gives this member's partitions to others. */
  readonly sessionMs: number;
  /** Called on every assignment, once its partitions are being read. */
  onAssigned(): void;
}

const COMMIT_MS = 1_000;
/** Lag, expired records and missing topics are checked once in this many commits. */
const COMMITS_A_LOOK = 10;
/** Maximum wait of a fetch without records; a stop waits for it too. */
const FETCH_WAIT_MS = 400;
const REBALANCE_MS = 30_000;
/** kafkajs emits an event with every fetch, but may emit none while it joins the group. */
const SILENCE_MS = 3 * REBALANCE_MS;
const DRAIN_MS = 500;
const LEAVE_MS = 900;
const SLOW_MS = 5_000;
const NO_BYTES = Buffer.alloc(0);

type Assignment = { topic: string; partitions: number[] }[];

export class KafkaConnection {
  readonly #consumer: Consumer;
  readonly #admin: Admin;
  readonly #lost = Promise.withResolvers<void>();
  readonly #closing = new AbortController();
  /** Counts assignments; work for an earlier one is stale. */
  #join = 0;
  #settled = false;
  #missing: string[] = [];
  #commits = 0;
  #working = false;
  #lastSign = performance.now();
  #lastCommitWarning = -Infinity;

  constructor(private readonly options: ConnectionOptions) {
    const { kafka, group, sessionMs } = options;
    this.#admin = kafka.admin();
    this.#consumer = kafka.consumer({
      groupId: group,
      sessionTimeout: sessionMs,
      heartbeatInterval: this.#heartbeatMs,
      rebalanceTimeout: REBALANCE_MS,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      maxBytes: 4 * 1024 * 1024,
      maxBytesPerPartition: 1024 * 1024,
      metadataMaxAge: 30_000,
      allowAutoTopicCreation: false,
    });
    this.#lost.promise.catch(() => {});
    const { events } = this.#consumer;
    this.#consumer.on(events.CRASH, ({ payload }) => this.#lost.reject(payload.error));
    this.#consumer.on(events.GROUP_JOIN, (event) => this.#onJoin(event));
    this.#consumer.on(events.REBALANCING, () => this.#onRebalancing());
    this.#consumer.on(events.COMMIT_OFFSETS, (event) => this.#onCommitted(event));
    this.#consumer.on(events.FETCH_START, fetchBegins);
    reportTooLarge((text) => options.intake.log("warning", text));
    const alive = () => void (this.#lastSign = performance.now());
    const { FETCH, HEARTBEAT, END_BATCH_PROCESS } = events;
    for (const sign of [FETCH, HEARTBEAT, END_BATCH_PROCESS]) this.#consumer.on(sign, alive);
  }

  /**
   * Reads until `signal` aborts, or until a missing topic can be read, which needs a new
   * connection. Rejects if the connection is lost. Leaves the group in every case.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { promise: aborted, resolve: onAbort } = Promise.withResolvers<unknown>();
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort(undefined);
    const timer = setInterval(() => void this.#work(), COMMIT_MS);
    try {
      const reading = this.#read();
      reading.catch(() => {});
      await Promise.race([reading, aborted]);
      await this.#drain();
    } finally {
      signal.removeEventListener("abort", onAbort);
      clearInterval(timer);
      this.#closing.abort();
      await this.#leave();
    }
  }

  get #heartbeatMs(): number {
    return this.options.sessionMs / 4;
  }

  async #read(): Promise<void> {
    await this.#admin.connect();
    const { readable, missing } = await this.options.topics.find(this.#admin);
    if (readable.length === 0) throw new Error(`no topic can be read: ${missing.join(", ")}`);
    this.#missing = missing;
    await this.#consumer.connect();
    // Each assignment decides where to start. kafkajs decides only one case: if the broker has
    // deleted the next record, it continues with the oldest one that the broker keeps.
    await this.#consumer.subscribe({ topics: readable, fromBeginning: true });
    this.#lastSign = performance.now();
    await this.#consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: (payload) => this.#onBatch(payload),
    });
    await this.#lost.promise;
  }

  /** Reads nothing of an assignment until its offsets are known and its start is committed. */
  #onJoin({ payload }: ConsumerGroupJoinEvent): void {
    const join = ++this.#join;
    this.#settled = false;
    const assigned = Object.entries(payload.memberAssignment)
      .map(([topic, partitions]) => ({ topic, partitions }));
    this.options.partitions.keepOnly((topic, partition) =>
      payload.memberAssignment[topic]?.includes(partition) ?? false
    );
    this.#consumer.pause(assigned);
    this.#settle(join, assigned).catch((error) => {
      if (join === this.#join) this.#lost.reject(error);
    });
  }

  async #settle(join: number, assigned: Assignment): Promise<void> {
    const { partitions, group, intake } = this.options;
    const offsets = await fetchOffsets(this.#admin, group, assigned.map(({ topic }) => topic));
    if (join !== this.#join || this.#closing.signal.aborted) return;
    for (const { topic, partitions: numbers } of assigned) {
      for (const partition of numbers) {
        const known = offsets.get(nameOf(topic, partition));
        if (!known) throw new Error(`the offsets of ${nameOf(topic, partition)} are unknown`);
        const settled = partitions.settle(topic, partition, known);
        this.#skipExpired(settled, known.low);
        this.#consumer.seek({ topic, partition, offset: String(settled.position) });
      }
    }
    await this.#consumer.commitOffsets(partitions.due());
    if (join !== this.#join || this.#closing.signal.aborted) return;
    if (!this.#areCommitted()) throw new Error("the start of a partition could not be committed");
    this.#settled = true;
    this.#consumer.resume(assigned);
    const names = [...partitions].map(({ name }) => name).join(", ") || "no partition";
    intake.log("info", `joined group ${group}: reads ${names}`);
    this.options.onAssigned();
  }

  #areCommitted(): boolean {
    return [...this.options.partitions].every(({ committed }) => committed >= 0);
  }

  #skipExpired(partition: Partition, low: number): void {
    const expired = low - partition.position;
    if (expired <= 0) return;
    this.options.intake.dropped(expired, `expired at the broker before they were read`);
    partition.skipTo(low);
  }

  #onRebalancing(): void {
    this.options.intake.log("info", `group ${this.options.group} is rebalancing`);
    // Sent before the request to rejoin, so that records stored by now are not read twice.
    void this.#commit();
  }

  async #onBatch(payload: EachBatchPayload): Promise<void> {
    const { batch, isStale, isRunning, resolveOffset, heartbeat } = payload;
    const { partitions, intake } = this.options;
    let partition = partitions.get(batch.topic, batch.partition);
    if (!partition || isStale()) return;
    const first = Number(batch.firstOffset());
    partition.high = Number(batch.highWatermark);
    if (first < partition.position) partition = this.#restart(partition, first);
    else partition.noteGap(first);
    const held = partition;
    const goesOn = () =>
      !this.#closing.signal.aborted && isRunning() && !isStale() &&
      partitions.get(batch.topic, batch.partition) === held;
    const { messages } = batch;
    const origin = new KafkaOrigin(held);
    try {
      if (!goesOn()) return;
      for (const [i, record] of messages.entries()) {
        if (intake.ready()) {
          await this.#hold(heartbeat, goesOn);
          if (!goesOn()) break;
        }
        const offset = Number(record.offset);
        // Control records, which end a transaction, may come after the last message.
        const next = i === messages.length - 1 ? Number(batch.lastOffset()) + 1 : offset + 1;
        held.position = next;
        const bytes = record.value ?? NO_BYTES;
        intake.receive(bytes, origin.of(record, offset), held.onStored, next);
      }
    } finally {
      if (partitions.get(batch.topic, batch.partition) === held) {
        if (this.#closing.signal.aborted) payload.pause();
        resolveOffset(String(held.position - 1));
      }
    }
  }

  #restart(partition: Partition, first: number): Partition {
    const { intake, partitions } = this.options;
    intake.log(
      "warning",
      `${partition.name} went back from offset ${partition.position} to ${first}: it was made ` +
        "anew, and is read from there",
    );
    return partitions.restart(partition, first);
  }

  /** Waits for credit without fetching. Heartbeats keep the partitions assigned meanwhile. */
  async #hold(heartbeat: () => Promise<void>, goesOn: () => boolean): Promise<void> {
    const { intake } = this.options;
    const since = performance.now();
    let isSaid = false;
    let awaited: Promise<void> | undefined;
    let pulse = new AbortController();
    const wake = () => pulse.abort();
    this.#closing.signal.addEventListener("abort", wake);
    try {
      for (let credit = intake.ready(); credit && goesOn(); credit = intake.ready()) {
        pulse = new AbortController();
        // Once per credit, not per heartbeat: the store can be unavailable for hours.
        if (credit !== awaited) credit.then(wake);
        awaited = credit;
        await sleep(this.#heartbeatMs, pulse.signal);
        try {
          await heartbeat();
        } catch (error) {
          await this.#commit();
          throw error;
        }
        if (!isSaid && performance.now() - since > SLOW_MS) {
          isSaid = true;
          intake.log("warning", "reading is held back: messages wait to be stored");
        }
      }
    } finally {
      this.#closing.signal.removeEventListener("abort", wake);
    }
    if (isSaid) intake.log("info", "reading continues");
  }

  /** Periodic work: commits offsets, sometimes checks the broker, and detects a hung kafkajs. */
  async #work(): Promise<void> {
    if (performance.now() - this.#lastSign > SILENCE_MS) {
      this.#lost.reject(new Error("kafkajs does not respond"));
    }
    if (this.#working || !this.#settled) return;
    this.#working = true;
    try {
      await this.#commit();
      if (++this.#commits % COMMITS_A_LOOK === 0) await this.#look();
    } catch (error) {
      this.options.intake.log("debug", `offsets could not be looked up: ${reasonOf(error)}`);
    } finally {
      this.#working = false;
    }
  }

  /** Never rejects: what is not committed now is due again later, and at worst read again. */
  async #commit(): Promise<void> {
    if (!this.#settled) return;
    const due = this.options.partitions.due();
    if (due.length === 0) return;
    try {
      await this.#consumer.commitOffsets(due);
    } catch (error) {
      const now = performance.now();
      const isRepeated = now - this.#lastCommitWarning < 60_000;
      this.#lastCommitWarning = now;
      this.options.intake.log(
        isRepeated ? "debug" : "warning",
        `offsets could not be committed: ${reasonOf(error)}`,
      );
    }
  }

  #onCommitted({ payload }: ConsumerCommitOffsetsEvent): void {
    const { partitions } = this.options;
    partitions.lastCommit = new Date();
    for (const { topic, partitions: committed } of payload.topics) {
      for (const { partition, offset } of committed) {
        const held = partitions.get(topic, partition);
        if (held) held.committed = Number(String(offset));
      }
    }
  }

  async #look(): Promise<void> {
    const { partitions, group, topics, intake } = this.options;
    const join = this.#join;
    const names = [...new Set([...partitions].map(({ topic }) => topic))];
    const offsets = await fetchOffsets(this.#admin, group, names);
    if (join !== this.#join) return;
    for (const partition of partitions) {
      const known = offsets.get(partition.name);
      if (!known) continue;
      partition.high = Math.max(partition.position, known.high);
      const expired = partition.expiredInGap(known.low);
      if (expired > 0) intake.dropped(expired, "expired at the broker before they were read");
    }
    const { missing } = await topics.find(this.#admin);
    if (missing.length < this.#missing.length) this.#lost.resolve();
  }

  /** Waits briefly until all records are stored, and commits, so that no member repeats them. */
  async #drain(): Promise<void> {
    const { partitions } = this.options;
    this.#closing.abort();
    const deadline = performance.now() + DRAIN_MS;
    while (!partitions.isStored && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await this.#commit();
  }

  async #leave(): Promise<void> {
    const late = new AbortController();
    await Promise.race([
      Promise.allSettled([this.#consumer.disconnect(), this.#admin.disconnect()]),
      sleep(LEAVE_MS, late.signal),
    ]);
    late.abort();
  }
}
