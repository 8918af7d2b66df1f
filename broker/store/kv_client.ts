/**
 * The store as the program uses it: bytes under keys, commits with checks, and watches.
 *
 * The store room: key-value stores behind one interface. It imports lib/ and telemetry/.
 */

export type KvKey = readonly (string | number)[];

export interface KvEntry {
  readonly key: KvKey;
  readonly value: Uint8Array;
  readonly versionstamp: string;
}

/** Changes that are applied together, or not at all if a check fails. */
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
 * that failed this way may still have been applied. Even a commit that reports `ok: false` may have
 * been applied, if the client underneath retried it.
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

/** The store holds data that Telecast did not write; trying again does not help. */
export class StoreDamagedError extends Error {
  override readonly name = "StoreDamagedError";
}

/** A call that was not answered in time: its outcome is unknown. */
export class KvTimeoutError extends Error {
  override readonly name = "KvTimeoutError";
}

/**
 * Rejects with {@linkcode KvTimeoutError} after `limitMs`; the call itself continues unobserved.
 */
export function withTimeLimit<T>(call: Promise<T>, limitMs: number, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new KvTimeoutError(`the store did not answer ${what} within ${limitMs} ms`)),
      limitMs,
    );
    call.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
