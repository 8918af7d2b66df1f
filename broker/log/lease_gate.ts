/** Keeps an instance that lost the ingest lease from writing to the log. */

import type { LeaseChange } from "./lease.ts";

interface WaitingFence {
  readonly change: LeaseChange;
  resolve(done: boolean): void;
  reject(error: unknown): void;
}

/**
 * A takeover commits the lease together with the log's head, so an owner that does not know the new
 * head cannot append. An owner that has read the new head must prove its lease before it appends
 * again.
 */
export class LeaseGate {
  /** Reports whether this instance holds the lease now; reads the store. */
  prove: () => Promise<boolean> = () => Promise.resolve(true);
  #unproven = false;
  readonly #fences: WaitingFence[] = [];

  /** Another instance wrote: it may have taken the lease. */
  invalidate(): void {
    this.#unproven = true;
  }

  get unproven(): boolean {
    return this.#unproven;
  }

  /** Asks the store; if true, the lease counts as proven again. */
  async isHeld(): Promise<boolean> {
    if (!await this.prove()) return false;
    this.#unproven = false;
    return true;
  }

  /** Resolves once the change is committed with the head; see {@linkcode LeaseGate.commitNext}. */
  fence(change: LeaseChange): Promise<boolean> {
    return new Promise((resolve, reject) => this.#fences.push({ change, resolve, reject }));
  }

  get hasFence(): boolean {
    return this.#fences.length > 0;
  }

  /** Commits the next change with `commit` and settles the fence that asked for it. */
  async commitNext(commit: (change: LeaseChange) => Promise<boolean>): Promise<boolean> {
    const { change, resolve, reject } = this.#fences.shift()!;
    try {
      const done = await commit(change);
      resolve(done);
      return done;
    } catch (error) {
      reject(error);
      throw error;
    }
  }

  /** The store is unavailable: rejects every waiting fence, so that its caller tries again. */
  rejectAll(error: unknown): void {
    for (const { reject } of this.#fences.splice(0)) reject(error);
  }
}
