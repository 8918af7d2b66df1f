/** A store that speaks Deno's own interface: SQLite, the platform's, or a server by its URL. */

import type { KvClient, KvCommit, KvEntry, KvKey, KvRange } from "./kv_client.ts";
import { StoreDamagedError, withTimeLimit } from "./kv_client.ts";

export interface DenoKvOptions {
  /** No answer within this time counts as a failure whose outcome is unknown. */
  readonly limitMs: number;
}

const MAX_LOCKED = 50;

type Kv = Pick<Deno.Kv, "get" | "list" | "atomic" | "watch" | "close">;

/** Opens the store at the first call, and again after a failure to open it. */
export class DenoKv implements KvClient {
  readonly #open: () => Promise<Kv>;
  readonly #limitMs: number;
  #kv: Promise<Kv> | undefined;

  constructor(open: () => Promise<Kv>, { limitMs }: DenoKvOptions) {
    this.#open = open;
    this.#limitMs = limitMs;
  }

  async get(key: KvKey): Promise<KvEntry | undefined> {
    return toEntry(await this.#limited("a read", (kv) => kv.get(key as Deno.KvKey)));
  }

  list(
    range: KvRange | { readonly prefix: KvKey },
    { limit, reverse = false, after }: { limit: number; reverse?: boolean; after?: KvKey },
  ): Promise<KvEntry[]> {
    let selector = range as Deno.KvListSelector;
    if (after) {
      // No key lies between K and K with one more, empty part.
      const start = [...after, new Uint8Array()] as Deno.KvKey;
      selector = "prefix" in selector
        ? { prefix: selector.prefix, start }
        : { start, end: (range as { end: Deno.KvKey }).end };
    }
    return this.#limited("a list", async (kv) => {
      const page: KvEntry[] = [];
      const options = { limit, batchSize: Math.min(limit, 500), reverse };
      for await (const entry of kv.list(selector, options)) page.push(toEntry(entry)!);
      return page;
    });
  }

  async commit(commit: KvCommit): Promise<{ ok: true; versionstamp: string } | { ok: false }> {
    const result = await this.#limited("a commit", (kv) => {
      const atomic = kv.atomic();
      for (const check of commit.checks) {
        atomic.check({ key: check.key as Deno.KvKey, versionstamp: check.versionstamp });
      }
      for (const { key, value } of commit.sets) atomic.set(key as Deno.KvKey, value);
      for (const key of commit.deletes ?? []) atomic.delete(key as Deno.KvKey);
      return atomic.commit();
    });
    return result.ok ? { ok: true, versionstamp: result.versionstamp } : { ok: false };
  }

  async *watch(
    keys: readonly KvKey[],
    signal: AbortSignal,
  ): AsyncGenerator<(KvEntry | undefined)[]> {
    const kv = await this.#opened();
    if (signal.aborted) return;
    // Raw: what is not raw runs on a task of its own, whose failure nobody can catch.
    const reader = kv.watch(keys as Deno.KvKey[], { raw: true }).getReader();
    const cancel = () => void reader.cancel().catch(() => {});
    signal.addEventListener("abort", cancel, { once: true });
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        yield value.map(toEntry);
      }
    } finally {
      signal.removeEventListener("abort", cancel);
      cancel();
    }
  }

  close(): void {
    this.#kv?.then((kv) => kv.close(), () => {});
  }

  #opened(): Promise<Kv> {
    this.#kv ??= this.#open().catch((error) => {
      this.#kv = undefined;
      throw error;
    });
    return this.#kv;
  }

  #limited<T>(what: string, call: (kv: Kv) => Promise<T>): Promise<T> {
    return withTimeLimit(
      this.#opened().then((kv) => unlocked(() => call(kv))).catch((error) => {
        throw isDamage(error) ? new StoreDamagedError(DAMAGED_FILE, { cause: error }) : error;
      }),
      this.#limitMs,
      what,
    );
  }
}

export const DAMAGED_FILE =
  "the file is no SQLite database, or is damaged: move it away, and restore a copy " +
  "or start with an empty one";

/** Whether SQLite says that the file is not what it wrote. */
export function isDamage(error: unknown): boolean {
  return /not a database|malformed|corrupt/i.test(String(error));
}

/** Another process has the file: its turn ends in milliseconds, and nothing was done yet. */
export async function unlocked<T>(call: () => Promise<T>): Promise<T> {
  for (let tries = 0;; tries++) {
    try {
      return await call();
    } catch (error) {
      if (tries === MAX_LOCKED || !/database is locked/.test(String(error))) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(50, 2 ** tries)));
    }
  }
}

function toEntry(entry: Deno.KvEntryMaybe<unknown>): KvEntry | undefined {
  if (entry.versionstamp === null) return undefined;
  if (!(entry.value instanceof Uint8Array)) {
    throw new StoreDamagedError(
      `The store holds something foreign under ${JSON.stringify(entry.key[0])}`,
    );
  }
  return { key: entry.key as KvKey, value: entry.value, versionstamp: entry.versionstamp };
}
