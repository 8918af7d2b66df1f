/** A store with network latency, simulated on a clock that a test moves. */

import type { Clock } from "../../../lib/clock.ts";
import { MemoryKv } from "../../../broker/store/memory_kv.ts";

export interface Distances {
  readonly readMs: number;
  readonly commitMs: number;
}

/** One instance's connection to `store`; each call takes the given time. */
export class DistantKv extends MemoryKv {
  constructor(
    private readonly store: MemoryKv,
    private readonly clock: Clock,
    private readonly distances: Distances,
  ) {
    super();
  }

  override async get(...args: Parameters<MemoryKv["get"]>) {
    await this.#travel(this.distances.readMs);
    return await this.store.get(...args);
  }

  override async list(...args: Parameters<MemoryKv["list"]>) {
    await this.#travel(this.distances.readMs);
    return await this.store.list(...args);
  }

  override async commit(...args: Parameters<MemoryKv["commit"]>) {
    await this.#travel(this.distances.commitMs / 2);
    const result = await this.store.commit(...args);
    await this.#travel(this.distances.commitMs / 2);
    return result;
  }

  override watch(...args: Parameters<MemoryKv["watch"]>) {
    return this.store.watch(...args);
  }

  #travel(ms: number): Promise<void> {
    return this.clock.sleep(ms, new AbortController().signal);
  }
}
