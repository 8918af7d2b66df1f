/** What each instance published and what became of it: nothing lost, repeated or out of order. */

import type { KvCommit } from "../../../broker/store/kv_client.ts";
import type { LogHead } from "../../../broker/log/log_head.ts";
import type { Entry } from "../../../broker/messages/message.ts";
import type { Findings } from "./findings.ts";
import type { Logged } from "./history.ts";

/** What one instance published, in order. */
interface Published {
  readonly keys: string[];
  /** Up to here, messages are stored or can no longer be stored in order. */
  stored: number;
  readonly isStored: boolean[];
}

/** Upper bound of a message's overhead in the window in which repeats are found. */
const OVERHEAD_BYTES = 250;

export class Messages {
  readonly #byWriter = new Map<string, Published>();
  readonly #jobs = new Map<string, boolean>();
  /** By device and payload, the newest offset of messages that have a uuid. */
  #newest = new Map<string, Logged>();
  #stored = new Set<string>();
  #forgot = false;
  /** Bytes of the log up to each offset. */
  #bytes: number[] = [];

  constructor(private readonly options: { findings: Findings; recentMaxBytes: number }) {}

  /** An instance publishes; returns callbacks for when the publish resolves or is refused. */
  publish(writer: string, batch: readonly Entry[]): { stored(): void; refused(): void } {
    const published = this.#of(writer);
    const first = published.keys.length;
    for (const entry of batch) {
      published.keys.push(keyOf(entry));
      this.#jobs.set(keyOf(entry), entry.job !== undefined);
    }
    const check = (entry: Entry, i: number) => {
      const isAlone = entry.uuid === undefined && !entry.sourceOffset && !this.#forgot;
      this.options.findings.check(
        isAlone ? published.isStored[first + i] === true : this.#stored.has(keyOf(entry)),
        () => `a publish resolved, but its message is not in the log: ${short(keyOf(entry))}`,
      );
    };
    return {
      stored: () => batch.forEach(check),
      refused: () =>
        batch.forEach((_, i) => {
          if (!published.isStored[first + i]) published.keys[first + i] = "";
        }),
    };
  }

  /** One commit stores `messages`. */
  logged(messages: readonly Logged[], before: LogHead, commit: KvCommit): void {
    for (const logged of messages) {
      this.#checkOrder(logged);
      if (logged.hasUuid) this.#checkRepeat(logged, before);
      this.#bytes[logged.offset] = (this.#bytes[logged.offset - 1] ?? 0) +
        logged.payload.length + OVERHEAD_BYTES;
      this.#stored.add(keyOf(logged));
      const jobs = commit.sets.filter(({ key }) =>
        key[0] === "delivery" && key[2] === logged.offset
      );
      this.options.findings.check(
        jobs.length === (this.#jobs.get(keyOf(logged)) ? 1 : 0),
        () => `the message at ${logged.offset} has ${jobs.length} jobs`,
      );
    }
  }

  /** Another epoch began: messages that are not in it may be published again. */
  forget(): void {
    this.#forgot = true;
    this.#newest = new Map();
    for (const published of this.#byWriter.values()) published.stored = 0;
  }

  #of(writer: string): Published {
    let published = this.#byWriter.get(writer);
    if (!published) this.#byWriter.set(writer, published = { keys: [], stored: 0, isStored: [] });
    return published;
  }

  #checkOrder(logged: Logged): void {
    const published = this.#of(logged.writer);
    const at = published.keys.indexOf(keyOf(logged), published.stored);
    this.options.findings.check(
      at >= 0,
      () =>
        `the message at ${logged.offset} of ${logged.writer} is repeated or out of order: ` +
        short(keyOf(logged)),
    );
    if (at < 0) return;
    published.isStored[at] = true;
    published.stored = at + 1;
  }

  #checkRepeat(logged: Logged, before: LogHead): void {
    const { findings, recentMaxBytes } = this.options;
    const earlier = this.#newest.get(keyOf(logged));
    this.#newest.set(keyOf(logged), logged);
    if (!earlier || earlier.offset < before.floor) return;
    const sameCommit = earlier.offset >= before.next;
    const between = (this.#bytes[before.next - 1] ?? 0) - (this.#bytes[earlier.offset - 1] ?? 0);
    findings.check(
      !sameCommit && between > recentMaxBytes,
      () => `the message at ${logged.offset} repeats the one at ${earlier.offset}`,
    );
  }
}

function keyOf({ deviceId, payload }: { deviceId: string; payload: string }): string {
  return `${deviceId} ${payload}`;
}

function short(text: string): string {
  return text.slice(0, 60);
}
