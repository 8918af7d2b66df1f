/** The store as seen by one process: slow, repeating, not answering, or answering wrongly. */

import {
  type KvClient,
  type KvCommit,
  type KvEntry,
  type KvKey,
  type KvRange,
  KvTimeoutError,
} from "../../../broker/store/kv_client.ts";
import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SimProcess } from "./sim_process.ts";
import { pack, type SimStore } from "./sim_store.ts";
import type { Fate, Outage, Weather } from "./weather.ts";

export interface SimKvOptions {
  readonly scheduler: Scheduler;
  readonly store: SimStore;
  readonly process: SimProcess;
  readonly weather: Weather;
  readonly random: Random;
}

type CommitResult = { ok: true; versionstamp: string } | { ok: false };

export class SimKv implements KvClient {
  /** The outage of this process only. */
  partition: Outage = "none";
  /** Additional latency of this process, each way. */
  farMs: number;

  constructor(private readonly options: SimKvOptions) {
    const { random, weather } = options;
    this.farMs = random.chance(0.2) ? random.between(0, weather.limitMs / 3) : 0;
  }

  get(key: KvKey): Promise<KvEntry | undefined> {
    return this.#call(() => this.options.store.get(key), this.#fate("read"));
  }

  list(
    range: KvRange | { readonly prefix: KvKey },
    options: { limit: number; reverse?: boolean; after?: KvKey },
  ): Promise<KvEntry[]> {
    return this.#call(() => this.options.store.list(range, options), this.#fate("read"));
  }

  commit(commit: KvCommit): Promise<CommitResult> {
    const fate = this.#fate("commit");
    return this.#call<CommitResult>(
      () => this.options.store.commit(commit),
      fate,
      fate.falseMs === undefined ? undefined : { afterMs: fate.falseMs, value: { ok: false } },
    );
  }

  async *watch(
    keys: readonly KvKey[],
    signal: AbortSignal,
  ): AsyncGenerator<(KvEntry | undefined)[]> {
    const { store, process, weather, random } = this.options;
    const packed = keys.map(pack);
    let newest: (KvEntry | undefined)[] | undefined;
    let ended: Error | "end" | undefined;
    let wake = () => {};
    const bring = (value: (KvEntry | undefined)[] | Error | "end") =>
      process.after(this.farMs + weather.delayMs(), () => {
        if (Array.isArray(value)) newest = value;
        else ended = value;
        wake();
      });
    const look = () => bring(keys.map((key) => store.get(key)));
    const changed = (changes: ReadonlySet<string>) => {
      if (process.state === "dead") return void store.onChange.delete(changed);
      if (!packed.some((key) => changes.has(key))) return;
      const away = weather.outage !== "none" || this.partition !== "none";
      if (away || random.chance(weather.trouble)) {
        // A wake is lost, or the watch breaks or ends.
        if (random.chance(0.7)) return;
        bring(random.chance(0.5) ? new Error("the watch broke") : "end");
      } else look();
    };
    const abort = () => {
      ended = "end";
      wake();
    };
    store.onChange.add(changed);
    signal.addEventListener("abort", abort, { once: true });
    look();
    try {
      for (;;) {
        if (signal.aborted || ended === "end") return;
        if (ended) throw ended;
        if (newest) {
          const value = newest;
          newest = undefined;
          yield value;
        } else await new Promise<void>((resolve) => wake = resolve);
      }
    } finally {
      store.onChange.delete(changed);
      signal.removeEventListener("abort", abort);
    }
  }

  close(): void {}

  #fate(kind: "read" | "commit"): Fate {
    return this.options.weather.fate(kind, this.partition);
  }

  #call<T>(
    apply: () => T,
    { attempts, refusedMs }: Fate,
    forced?: { afterMs: number; value: T },
  ): Promise<T> {
    const { scheduler, process, weather } = this.options;
    const { farMs } = this;
    return new Promise((resolve, reject) => {
      let answered = false;
      const answer = (afterMs: number, give: () => void) =>
        process.after(afterMs, () => {
          if (answered) return false;
          answered = true;
          give();
          return true;
        });
      const { limitMs } = weather;
      answer(limitMs, () => reject(new KvTimeoutError(`no answer within ${limitMs} ms`)));
      if (refusedMs !== undefined) answer(refusedMs, () => reject(new Error("refused")));
      if (forced) answer(forced.afterMs, () => resolve(forced.value));
      for (const { requestMs, answerMs, broken } of attempts) {
        scheduler.after(farMs + requestMs, () => {
          let give: () => void;
          try {
            const value = apply();
            give = () => resolve(value);
          } catch (error) {
            give = () => reject(error);
          }
          if (broken) give = () => reject(new Error("connection reset"));
          if (answerMs !== undefined) answer(farMs + answerMs, give);
          return false;
        });
      }
    });
  }
}
