/** The true log: every commit that the store applied, checked against the rules of the log. */

import type { KvCommit, KvKey } from "../../../broker/store/kv_client.ts";
import { LAST_UPTO, lastKey, logKey } from "../../../broker/store/kv_keys.ts";
import { decompressFrame, readHeader, unpackFrame } from "../../../broker/log/log_frame.ts";
import { decodeHead, type LogHead } from "../../../broker/log/log_head.ts";
import { decodeJson } from "../../../broker/store/stored_json.ts";
import { Epoch, type Publication } from "../../../broker/messages/message.ts";
import type { Findings } from "./findings.ts";
import type { SimStore } from "./sim_store.ts";

export interface Logged {
  readonly epoch: string;
  readonly offset: number;
  readonly deviceId: string;
  readonly payload: string;
  readonly hasUuid: boolean;
  readonly time: number;
  readonly writer: string;
  /** When the store applied it. */
  readonly at: number;
}

/** The clocks by which several writers track the log's time differ a little, which adds up. */
const CLOCK_SLACK_MS = 2_000;

type Upto = { epoch: string; offset: number };

/** One database's log: by epoch, the messages by offset. */
class Timeline {
  readonly epochs = new Map<string, (Logged | undefined)[]>();
  /** The first offset of each epoch. */
  readonly starts = new Map<string, number>();
  head: LogHead | undefined;

  add(logged: Logged): void {
    const messages = this.epochs.get(logged.epoch) ?? [];
    this.epochs.set(logged.epoch, messages);
    messages[logged.offset] = logged;
  }

  copy(): Timeline {
    const copy = new Timeline();
    for (const messages of this.epochs.values()) {
      for (const logged of messages) if (logged) copy.add(logged);
    }
    for (const [epoch, start] of this.starts) copy.starts.set(epoch, start);
    copy.head = this.head;
    return copy;
  }
}

export type HistoryCopy = Timeline | undefined;

export interface HistoryOptions {
  readonly store: SimStore;
  readonly findings: Findings;
  readonly retentionMs: number;
  readonly now: () => number;
  /** Another epoch began: what was stored before no longer counts. */
  readonly onEpoch: () => void;
  /** Called with the messages that one commit stores, and the head before it. */
  readonly onLogged: (messages: readonly Logged[], before: LogHead, commit: KvCommit) => void;
}

export class History {
  #current = new Timeline();
  /** Databases that were replaced; what clients saw of them remains valid. */
  readonly #gone: Timeline[] = [];

  constructor(private readonly options: HistoryOptions) {
    options.store.onCommit = (commit) => this.#observe(commit);
  }

  get head(): LogHead | undefined {
    return this.#current.head;
  }

  /** Whether the epoch also existed in a replaced database: its offsets are ambiguous. */
  isForked(epoch: string): boolean {
    return this.#gone.some(({ starts }) => starts.has(epoch));
  }

  /** The first offset of an epoch. */
  startOf(epoch: string): number {
    return this.#current.starts.get(epoch) ?? Infinity;
  }

  /** Messages of the epoch after `after`, up to `upTo`. */
  messages(epoch: string, after: number, upTo: number): Logged[] {
    const messages = this.#current.epochs.get(epoch) ?? [];
    return messages.slice(after + 1, upTo + 1).filter((logged) => logged !== undefined);
  }

  /** Whether some database held this publication at its offset. */
  holds(publication: Publication): boolean {
    return [this.#current, ...this.#gone].some(({ epochs }) => {
      const logged = epochs.get(publication.epoch.id)?.[publication.offset];
      return logged?.deviceId === publication.deviceId &&
        logged.payload === publication.payload &&
        logged.hasUuid === publication.hasUuid && logged.time === publication.time;
    });
  }

  copy(): Timeline {
    return this.#current.copy();
  }

  /** The store was replaced by another one with this history. */
  replace(copy: HistoryCopy): void {
    this.#gone.push(this.#current);
    this.#current = copy?.copy() ?? new Timeline();
    this.options.onEpoch();
  }

  #observe(commit: KvCommit): void {
    const { findings } = this.options;
    const named = (name: string) => commit.sets.find(({ key }) => key[0] === name)?.value;
    const frames = commit.sets.filter(({ key }) => key[0] === "log");
    const head = named("head");
    if (head) this.#observeHead(decodeHead(head), commit, frames);
    else {
      findings.check(
        frames.length === 0 && !commit.deletes?.length,
        () => "a commit changes the log but not its head",
      );
    }
    const upto = named("last_upto");
    if (upto) this.#observeUpto(decodeJson(upto) as Upto, commit);
  }

  #observeHead(head: LogHead, commit: KvCommit, frames: KvCommit["sets"]): void {
    const { findings, now, onLogged } = this.options;
    const before = this.#current.head;
    this.#current.head = head;
    const told = () => `${JSON.stringify(before)} -> ${JSON.stringify(head)}`;
    if (!before || before.epoch !== head.epoch) {
      findings.check(frames.length === 0, () => `a new epoch begins with messages: ${told()}`);
      findings.check(head.next >= (before?.next ?? 1), () => `offsets decrease: ${told()}`);
      findings.check(head.floor === head.next, () => `a new epoch has old messages: ${told()}`);
      this.#current.starts.set(head.epoch, head.next);
      if (before) this.options.onEpoch();
      return;
    }
    findings.check(
      head.logTime >= before.logTime && head.floor >= before.floor && head.floor <= head.next,
      () => `the head goes back: ${told()}`,
    );
    const messages: Logged[] = [];
    for (const { key, value } of frames) {
      const first = Number(key[1]);
      findings.check(
        first === before.next + messages.length,
        () => `the frame at ${first} leaves a gap or overlaps: ${told()}`,
      );
      const frame = decompressFrame(value);
      const { writer } = readHeader(frame);
      for (const publication of unpackFrame(frame, new Epoch(head.epoch), first)) {
        const { offset, deviceId, payload, hasUuid, time } = publication;
        const epoch = head.epoch;
        messages.push({ epoch, offset, deviceId, payload, hasUuid, time, writer, at: now() });
      }
    }
    findings.check(
      head.next === before.next + messages.length,
      () => `the head does not match its ${messages.length} messages: ${told()}`,
    );
    this.#observeFloor(head, before, commit.deletes ?? []);
    for (const logged of messages) this.#current.add(logged);
    onLogged(messages, before, commit);
  }

  #observeFloor(head: LogHead, before: LogHead, deletes: readonly KvKey[]): void {
    const { findings, store, retentionMs, now } = this.options;
    findings.check(
      deletes.every(([name, first]) => name === "log" && Number(first) < head.floor),
      () => `a commit deletes beyond its floor ${head.floor}: ${JSON.stringify(deletes)}`,
    );
    if (head.floor === before.floor) return;
    const upto = this.#upto();
    findings.check(
      this.isForked(head.epoch) || (upto?.epoch === head.epoch && head.floor - 1 <= upto.offset),
      () => `the floor ${head.floor} passes last_upto ${JSON.stringify(upto)}`,
    );
    const gone = new Set(deletes.map(([, first]) => Number(first)));
    const below = { start: logKey(before.floor), end: logKey(head.floor) };
    for (const { key } of store.list(below, { limit: 1000 })) {
      const first = Number(key[1]);
      const logged = this.#current.epochs.get(head.epoch)?.[first];
      findings.check(gone.has(first), () => `the frame at ${first} is left below the floor`);
      findings.check(
        !logged || now() - logged.at >= retentionMs - CLOCK_SLACK_MS,
        () => `the frame at ${first} is deleted ${now() - logged!.at} ms after it was stored`,
      );
    }
  }

  /** Every device's last message up to that offset must be stored. */
  #observeUpto(upto: Upto, commit: KvCommit): void {
    const { findings, store } = this.options;
    if (upto.epoch !== this.#current.head?.epoch || this.isForked(upto.epoch)) return;
    const before = this.#upto();
    findings.check(
      before?.epoch !== upto.epoch || upto.offset >= before.offset,
      () => `last_upto decreases from ${before?.offset} to ${upto.offset}`,
    );
    const newest = new Map<string, number>();
    for (const logged of this.messages(upto.epoch, 0, upto.offset)) {
      newest.set(logged.deviceId, logged.offset);
    }
    for (const [deviceId, offset] of newest) {
      const set = commit.sets.find(({ key }) => key[0] === "last" && key[1] === deviceId);
      const stored = set?.value ?? store.get(lastKey(deviceId))?.value;
      const known = stored && readHeader(stored.subarray(1 + stored[0]!)).batch;
      findings.check(
        known !== undefined && known >= offset,
        () => `the stored last message of ${deviceId} is ${known} instead of ${offset}`,
      );
    }
  }

  #upto(): Upto | undefined {
    const entry = this.options.store.get(LAST_UPTO);
    return entry && decodeJson(entry.value) as Upto;
  }
}
