/** Resource use of a process: memory, descriptors, CPU time. */

import { processTicks } from "../bench/noise.ts";
import type { TestProcess } from "../kit/servers/process.ts";

const EVERY_MS = 500;
const TICKS_PER_SECOND = 100;

export interface Sample {
  /** By the monotonic clock. */
  readonly atMs: number;
  readonly residentBytes: number;
  readonly descriptors: number;
  readonly ticks: number;
}

export class Gauge implements AsyncDisposable {
  readonly samples: Sample[] = [];
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(private readonly process: TestProcess) {
    this.#running = this.#run();
  }

  async now(): Promise<Sample> {
    const { pid } = this.process;
    let descriptors = 0;
    for await (const _ of Deno.readDir(`/proc/${pid}/fd`)) descriptors++;
    return {
      atMs: performance.now(),
      residentBytes: await this.process.residentBytes(),
      descriptors,
      ticks: await processTicks(pid),
    };
  }

  since(atMs: number): Sample[] {
    return this.samples.filter((sample) => sample.atMs >= atMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped && this.process.status === undefined) {
      // The process may end in between.
      const sample = await this.now().catch(() => undefined);
      if (sample) this.samples.push(sample);
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  }
}

/** Fraction of one core that was used between two samples. */
export function coresBetween(from: Sample, to: Sample): number {
  return (to.ticks - from.ticks) / TICKS_PER_SECOND / ((to.atMs - from.atMs) / 1000);
}
