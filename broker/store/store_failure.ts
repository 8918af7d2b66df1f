/** Distinguishes failures of the store, which are expected, from bugs in our own code. */

import { type KvClient, StoreDamagedError } from "./kv_client.ts";

/** The store did not do what was asked, or its answer was lost; `cause` says why. */
export class StoreFailure extends Error {
  override readonly name = "StoreFailure";
}

/** The same store; its calls fail only with a {@linkcode StoreFailure}. */
export function asStore(kv: KvClient): KvClient {
  const call = <T>(answer: Promise<T>): Promise<T> =>
    answer.catch((cause: unknown) => {
      throw new StoreFailure(cause instanceof Error ? cause.message : String(cause), { cause });
    });
  return {
    get: (key) => call(kv.get(key)),
    list: (range, options) => call(kv.list(range, options)),
    commit: (commit) => call(kv.commit(commit)),
    watch: (keys, signal) => kv.watch(keys, signal),
    close: () => kv.close(),
  };
}

/** Whether the error comes from the store; anything else is a bug in our code. */
export function isStoreFailure(error: unknown): boolean {
  return error instanceof StoreFailure || error instanceof StoreDamagedError;
}
