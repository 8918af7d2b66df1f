/** A client with a cursor: it must get what it missed, with the right status. */

import type { Replay } from "../../../broker/log/fanout.ts";
import type { Interest } from "../../../broker/messages/interest.ts";
import type { LogHead } from "../../../broker/log/log_head.ts";
import { parseCursor, type Position, type Publication } from "../../../broker/messages/message.ts";
import type { Findings } from "./findings.ts";
import type { History } from "./history.ts";
import type { Random } from "./random.ts";
import type { SimInstance } from "./sim_instance.ts";

export interface ReplayProbeOptions {
  readonly instance: SimInstance;
  readonly history: History;
  readonly findings: Findings;
  readonly random: Random;
  readonly cursor: string;
  readonly interest: Interest;
}

const MAX_STEPS = 5_000;

export class ReplayProbe {
  readonly #options: ReplayProbeOptions;
  readonly #found: Publication[] = [];
  readonly #position: Position | undefined;

  constructor(options: ReplayProbeOptions) {
    this.#options = options;
    this.#position = parseCursor(options.cursor);
  }

  async run(): Promise<void> {
    const { instance, cursor, interest } = this.#options;
    const { fanout, signal: { signal } } = instance;
    const epoch = fanout.epoch.id;
    const { head } = this.#options.history;
    const replay = await fanout.since(cursor, interest, signal);
    if (signal.aborted) return;
    if (replay.status === "none") return this.#checkNone(epoch, head);
    this.#check(this.#position !== undefined, "an invalid cursor is replayed");
    if (!this.#position) return;
    const known = this.#position.epoch === epoch || this.#position.epoch === fanout.epoch.id;
    this.#check(known, "a cursor of another epoch is replayed");
    if (!await this.#readToHead(replay)) return;
    this.#checkFound(replay);
  }

  /** True once the client could be attached: it has reached the instance's position. */
  async #readToHead(replay: Replay): Promise<boolean> {
    const { instance, interest, random } = this.#options;
    const { fanout, process, signal: { signal } } = instance;
    for (let steps = 0; steps < MAX_STEPS; steps++) {
      let found: readonly Publication[] = [];
      const { resets } = instance;
      try {
        found = await replay.next(random.pick([1, 500, 100_000]));
      } catch {
        // The store is unavailable: the same step is tried again.
        await process.clock.sleep(random.between(1, 300), signal);
      }
      if (signal.aborted) return false;
      for (const publication of found) {
        const before = this.#found.at(-1)?.offset ?? this.#position!.offset;
        this.#check(
          publication.epoch.id !== this.#position!.epoch || publication.offset > before,
          `${publication.offset} comes after ${before}`,
        );
        this.#check(interest.matches(publication.deviceId), "an unwanted device is replayed");
        this.#check(
          this.#options.history.holds(publication),
          `${publication.offset} is replayed but is not in the log`,
        );
        this.#found.push(publication);
      }
      // A reset in between has ended the session.
      if (replay.at === fanout.log.position && resets === instance.resets) return true;
      if (random.chance(0.3)) await process.clock.sleep(random.between(0, 50), signal);
    }
    this.#check(false, "the replay does not end");
    return false;
  }

  /** A cursor may be unknown only if it was not in the log when it was presented. */
  #checkNone(epoch: string, head: LogHead | undefined): void {
    const { fanout } = this.#options.instance;
    const position = this.#position;
    if (!position || position.epoch !== epoch || epoch !== fanout.epoch.id) return;
    this.#check(
      head?.epoch !== epoch || head.next <= position.offset ||
        this.#options.history.head?.epoch !== epoch || this.#options.history.isForked(epoch),
      "a cursor of this log is unknown",
    );
  }

  #checkFound({ status, at }: Replay): void {
    const { instance, history, interest } = this.#options;
    const { epoch, offset } = this.#position!;
    const now = instance.fanout.epoch.id;
    if (now !== epoch || history.head?.epoch !== epoch) {
      const begun = history.messages(now, 0, at)
        .filter(({ deviceId }) => now !== epoch && interest.matches(deviceId));
      const found = this.#found.filter((publication) => publication.epoch.id === now);
      const whole = found.length >= begun.length;
      this.#check(status !== "full" || whole, "a full replay lacks messages of a new epoch");
      return;
    }
    if (history.isForked(epoch)) return;
    const due = history.messages(epoch, offset, at)
      .filter(({ deviceId }) => interest.matches(deviceId));
    const found = new Set(this.#found.map((publication) => publication.offset));
    const missing = due.filter((logged) => !found.has(logged.offset));
    const offsets = missing.map((logged) => logged.offset);
    this.#check(found.size <= due.length, "a message is replayed twice");
    if (status === "full") {
      this.#check(missing.length === 0, `${offsets} are missing from a full replay`);
      return;
    }
    const { floor } = history.head;
    this.#check(
      offsets.every((missed) => missed < floor),
      `${offsets} are missing, but the floor is ${floor}`,
    );
    const nothing = interest.all && missing.length === 0 && offset >= history.startOf(epoch) - 1;
    this.#check(!nothing, `a replay is partial, but nothing is missing: floor ${floor}`);
  }

  #check(holds: boolean, what: string): void {
    const { instance, cursor, findings } = this.#options;
    findings.check(
      holds,
      () => `${what} (cursor ${this.#position?.offset ?? cursor} at ${instance})`,
    );
  }
}
