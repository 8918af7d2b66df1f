/** A fanout for one instance without a store: nothing survives a restart. */

import { type Clock, SYSTEM_CLOCK } from "../../lib/clock.ts";
import type { Fanout, FanoutListener, FanoutState, Replay } from "./fanout.ts";
import { guarded } from "./guarded_listener.ts";
import type { Interest } from "../messages/interest.ts";
import type { KvClient, KvKey } from "../store/kv_client.ts";
import { deliveryKey } from "../store/kv_keys.ts";
import { type Entry, Epoch, hasUuid, parseCursor, Publication } from "../messages/message.ts";
import { Reached, SourceOffsets } from "./source_offsets.ts";
import { MessageLog } from "./message_log.ts";
import { LogReplay, NoReplay } from "./replay.ts";

export class MemoryFanout implements Fanout {
  readonly log: MessageLog;
  readonly epoch: Epoch = Epoch.random();
  readonly deploymentId: string = Epoch.random().id;
  readonly pending = 0;
  stored = 0;
  #listener: FanoutListener | undefined;
  readonly #retentionMs: number;
  readonly #clock: Clock;
  readonly #sourceOffsets = new SourceOffsets();

  readonly #work: KvClient | undefined;

  constructor(options: {
    retentionMs: number;
    recentMaxBytes: number;
    /** Takes the jobs of messages. */
    work?: KvClient;
    clock?: Clock;
  }) {
    this.#work = options.work;
    this.log = new MessageLog({ maxBytes: options.recentMaxBytes });
    this.#retentionMs = options.retentionMs;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
  }

  get state(): FanoutState {
    return this.#listener ? { state: "ready" } : { state: "starting" };
  }

  get floor(): number {
    return this.log.start + 1;
  }

  start(listener: FanoutListener): Promise<void> {
    this.#listener = guarded(listener);
    return Promise.resolve();
  }

  async publish(batch: readonly Entry[]): Promise<void> {
    if (!this.#listener) throw new Error("Cannot publish: the fanout is closed");
    const time = this.#clock.wall();
    const publications: Publication[] = [];
    const jobs: { key: KvKey; value: Uint8Array }[] = [];
    const reached = new Reached(this.#sourceOffsets);
    for (const message of batch) {
      const { deviceId, payload, job, sourceOffset } = message;
      if (sourceOffset && reached.covers(sourceOffset)) continue;
      if (sourceOffset) reached.take(sourceOffset);
      if (this.log.repeated(message)) continue;
      const offset = this.log.position + 1;
      const publication = new Publication(
        this.epoch,
        offset,
        deviceId,
        payload,
        hasUuid(message),
        time,
      );
      this.log.append(publication);
      publications.push(publication);
      if (job) {
        const value = new TextEncoder().encode(job.body);
        jobs.push({ key: deliveryKey(job.partition, offset), value });
      }
    }
    this.#sourceOffsets.advance(reached.sourceOffsets);
    this.log.trimOlderThan(time - this.#retentionMs);
    this.stored += publications.length;
    if (publications.length > 0) this.#listener.onPublications(publications);
    if (jobs.length > 0) await this.#work?.commit({ checks: [], sets: jobs });
  }

  since(cursor: string, interest: Interest): Promise<Replay> {
    const position = parseCursor(cursor);
    if (!position || position.epoch !== this.epoch.id || position.offset > this.log.position) {
      return Promise.resolve(new NoReplay(this.log));
    }
    const floor = () => this.floor;
    return Promise.resolve(
      new LogReplay(this.log, interest, undefined, {
        at: position.offset,
        floor,
        epoch: () => this.epoch,
      }),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#listener = undefined;
    return Promise.resolve();
  }
}
