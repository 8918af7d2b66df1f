/** A store behind Deno's own interface: SQLite, the platform's store, or a server by its URL. */

import type { KvClient, KvCommit, KvEntry, KvKey, KvRange } from "./kv_client.ts";
import { StoreDamagedError, withTimeLimit } from "./kv_client.ts";

export interface DenoKvOptions {
  /** A call without an answer within this time fails, with an unknown outcome. */
  readonly limitMs: number;
}

const MAX_LOCKED = 50;

type Kv = Pick<Deno.Kv, "get" | "list" | "atomic" | "watch" | "close">;

/** Opens the store on the first call, and again after it failed to open. */
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
      // No key sorts between K and K plus an empty part.
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
    // Raw: otherwise the stream runs in a task of its own, whose failure nobody can catch.
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
  "the file is damaged or not a SQLite database: move it away, then restore a copy " +
  "or start with an empty one";

/** Whether SQLite reports that the file is damaged or not its own. */
export function isDamage(error: unknown): boolean {
  return /not a database|malformed|corrupt/i.test(String(error));
}

/**
 * Retries while another process has the file locked: that takes milliseconds, and nothing was done
 * yet.
 */
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
      `The store holds foreign data under ${JSON.stringify(entry.key[0])}`,
    );
  }
  return { key: entry.key as KvKey, value: entry.value, versionstamp: entry.versionstamp };
}
