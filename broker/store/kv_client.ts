/** The store as the program uses it: bytes under keys, commits with checks, and a watch. */

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

/** The store holds what Telecast did not write; trying again does not help. */
export class StoreDamagedError extends Error {
  override readonly name = "StoreDamagedError";
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
