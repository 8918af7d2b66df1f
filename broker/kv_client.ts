/** The store as the program uses it: bytes under keys, commits with checks, a doorbell. */

export type KvKey = readonly (string | number)[];

export interface KvEntry {
  readonly key: KvKey;
  readonly value: Uint8Array;
  readonly versionstamp: string;
}

/** Changes that are applied together, or not at all where a check fails. */
export interface KvCommit {
  /** A `versionstamp` of null: the key must not exist. */
  readonly checks: readonly { readonly key: KvKey; readonly versionstamp: string | null }[];
  readonly sets: readonly { readonly key: KvKey; readonly value: Uint8Array }[];
  readonly deletes?: readonly KvKey[];
}

export interface KvRange {
  /** Inclusive. */
  readonly start: KvKey;
  /** Exclusive. */
  readonly end: KvKey;
}

/**
 * A key-value store. Reads are strongly consistent. Any call may fail or time out, and a commit
 * that failed that way may have been applied all the same; a commit that reports `ok: false` too,
 * where the client under it tried again by itself.
 */
export interface KvClient {
  get(key: KvKey): Promise<KvEntry | undefined>;
  /** One page, at most 1,000 entries, in the order of their keys. */
  list(
    range: KvRange | { readonly prefix: KvKey },
    options: { limit: number; reverse?: boolean; after?: KvKey },
  ): Promise<KvEntry[]>;
  commit(commit: KvCommit): Promise<{ ok: true; versionstamp: string } | { ok: false }>;
  /** Yields at once, and whenever one of the keys may have changed, until the signal aborts. */
  watch(keys: readonly KvKey[], signal: AbortSignal): AsyncIterable<(KvEntry | undefined)[]>;
  close(): void;
}

/** A call that was not answered in time: its outcome is unknown. */
export class KvTimeoutError extends Error {
  override readonly name = "KvTimeoutError";
}

/** Rejects with {@linkcode KvTimeoutError} after `limitMs`; what it waited for goes on unseen. */
export function withTimeLimit<T>(call: Promise<T>, limitMs: number, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new KvTimeoutError(`the store did not answer ${what} within ${limitMs} ms`)),
      limitMs,
    );
    call.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Deno's own client: SQLite files, `:memory:`, and the platform's store on Deno Deploy. */
export class NativeKv implements KvClient {
  readonly #kv: Deno.Kv;
  readonly #limitMs: number;

  constructor(kv: Deno.Kv, options: { limitMs: number }) {
    this.#kv = kv;
    this.#limitMs = options.limitMs;
  }

  async get(key: KvKey): Promise<KvEntry | undefined> {
    return toEntry(
      await withTimeLimit(this.#kv.get(key as Deno.KvKey), this.#limitMs, "a read"),
    );
  }

  list(
    range: KvRange | { readonly prefix: KvKey },
    options: { limit: number; reverse?: boolean; after?: KvKey },
  ): Promise<KvEntry[]> {
    let selector = range as Deno.KvListSelector;
    if (options.after) {
      // The key right behind `after`: no key lies between K and K plus one more empty part.
      const start = [...options.after, new Uint8Array()] as Deno.KvKey;
      selector = "prefix" in selector
        ? { prefix: selector.prefix, start }
        : { start, end: (range as { end: Deno.KvKey }).end };
    }
    const read = async () => {
      const page: KvEntry[] = [];
      const iterator = this.#kv.list(selector, {
        limit: options.limit,
        batchSize: Math.min(options.limit, 500),
        reverse: options.reverse ?? false,
      });
      for await (const entry of iterator) page.push(toEntry(entry)!);
      return page;
    };
    return withTimeLimit(read(), this.#limitMs, "a list");
  }

  async commit(commit: KvCommit): Promise<{ ok: true; versionstamp: string } | { ok: false }> {
    const atomic = this.#kv.atomic();
    for (const check of commit.checks) {
      atomic.check({ key: check.key as Deno.KvKey, versionstamp: check.versionstamp });
    }
    for (const { key, value } of commit.sets) atomic.set(key as Deno.KvKey, value);
    for (const key of commit.deletes ?? []) atomic.delete(key as Deno.KvKey);
    const result = await withTimeLimit(atomic.commit(), this.#limitMs, "a commit");
    return result.ok ? { ok: true, versionstamp: result.versionstamp } : { ok: false };
  }

  async *watch(
    keys: readonly KvKey[],
    signal: AbortSignal,
  ): AsyncGenerator<(KvEntry | undefined)[]> {
    const reader = this.#kv.watch(keys as Deno.KvKey[]).getReader();
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
    this.#kv.close();
  }
}

function toEntry(entry: Deno.KvEntryMaybe<unknown>): KvEntry | undefined {
  if (entry.versionstamp === null) return undefined;
  if (!(entry.value instanceof Uint8Array)) {
    throw new TypeError(`The store holds something foreign under ${JSON.stringify(entry.key[0])}`);
  }
  return { key: entry.key as KvKey, value: entry.value, versionstamp: entry.versionstamp };
}
