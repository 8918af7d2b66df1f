/**
 * The instances that share the store: which are alive, and their counters.
 *
 * The cluster room: small facts that all instances share beside the log. It imports store/,
 * telemetry/ and lib/.
 */

import { type Clock, SYSTEM_CLOCK } from "../../lib/clock.ts";
import type { KvClient } from "../store/kv_client.ts";
import { INSTANCE_PREFIX, instanceKey } from "../store/kv_keys.ts";
import { decodeJson, encodeJson } from "../store/stored_json.ts";

/** Counters of an instance. */
export interface InstanceFigures {
  readonly messages: number;
  readonly subscribers: number;
  readonly devices: number;
}

/** A source, as its instance reports it. */
export interface InstanceSource {
  readonly name: string;
  readonly state: string;
  readonly reason?: string | undefined;
  readonly received: number;
  readonly malformed: number;
  readonly dropped: number;
  readonly reconnects: number;
  /** Messages that it still has to read, if known. */
  readonly lag?: number | null | undefined;
}

/** What an instance reports about itself; an older version may omit the optional fields. */
export interface InstanceReport extends InstanceFigures {
  /** Messages that wait to be stored. */
  readonly pending?: number;
  readonly sent?: number;
  readonly dropped?: number;
  /** Messages that wait for slow clients. */
  readonly queued?: number;
  readonly sources?: readonly InstanceSource[];
}

export interface InstanceInfo extends InstanceReport {
  readonly id: string;
}

interface Seen {
  readonly info: InstanceInfo;
  readonly versionstamp: string;
  /** When it last changed, by this instance's clock. */
  readonly at: number;
}

const BEAT_MS = 2_000;
/** Silence after which an instance counts as gone, and after which its entry is removed. */
const GONE_MS = 8_000;
const REMOVE_MS = 60_000;
const MAX_INSTANCES = 1_000;

/** Writes this instance's report every two seconds, and reads those of the others. */
export class Instances implements AsyncDisposable {
  #seen = new Map<string, Seen>();
  #run: Promise<void> = Promise.resolve();
  readonly #closed = new AbortController();

  constructor(
    private readonly kv: KvClient | undefined,
    private readonly self: { id: string; figures: () => InstanceReport },
    private readonly clock: Clock = SYSTEM_CLOCK,
  ) {}

  start(): void {
    if (this.kv) this.#run = this.#keep(this.kv);
  }

  /** This instance with its current values, and the other live ones with their latest report. */
  get live(): InstanceInfo[] {
    const now = this.clock.monotonic();
    const others = [...this.#seen.values()].filter(({ info, at }) =>
      info.id !== this.self.id && now - at < GONE_MS
    );
    return [{ id: this.self.id, ...this.self.figures() }, ...others.map(({ info }) => info)];
  }

  /** Milliseconds since the last report of each other instance, including crashed ones. */
  get silence(): Map<string, number> {
    const now = this.clock.monotonic();
    const others = [...this.#seen].filter(([id]) => id !== this.self.id);
    return new Map(others.map(([id, { at }]) => [id, now - at]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    await this.#run;
    const deletes = [instanceKey(this.self.id)];
    await this.kv?.commit({ checks: [], sets: [], deletes }).catch(() => {});
  }

  async #keep(kv: KvClient): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      try {
        const value = encodeJson({ id: this.self.id, ...this.self.figures() });
        await kv.commit({ checks: [], sets: [{ key: instanceKey(this.self.id), value }] });
        await this.#readAll(kv);
      } catch {
        // The store is unavailable: the fanout reports it, and the next round tries again.
      }
      await this.clock.sleep(BEAT_MS, signal);
    }
  }

  async #readAll(kv: KvClient): Promise<void> {
    const now = this.clock.monotonic();
    const seen = new Map<string, Seen>();
    for (const entry of await kv.list({ prefix: INSTANCE_PREFIX }, { limit: MAX_INSTANCES })) {
      const info = decodeJson(entry.value) as InstanceInfo;
      const before = this.#seen.get(info.id);
      const same = before?.versionstamp === entry.versionstamp;
      // An entry from before this instance started may belong to one that is long gone.
      const at = same
        ? before.at
        : before || this.#seen.size > 0
        ? now
        : now - GONE_MS + BEAT_MS * 2;
      seen.set(info.id, { info, versionstamp: entry.versionstamp, at });
      if (now - at > REMOVE_MS) {
        await kv.commit({
          checks: [{ key: entry.key, versionstamp: entry.versionstamp }],
          sets: [],
          deletes: [entry.key],
        });
      }
    }
    this.#seen = seen;
  }
}
