/** Peak memory of a process over a period. */

import type { TestProcess } from "./servers/process.ts";

const INTERVAL_MS = 100;

export class MemoryWatch implements AsyncDisposable {
  peakBytes = 0;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  private constructor(process: TestProcess, readonly startBytes: number) {
    this.#running = this.#run(process);
  }

  static async start(process: TestProcess): Promise<MemoryWatch> {
    return new MemoryWatch(process, await process.residentBytes());
  }

  get growthBytes(): number {
    return this.peakBytes - this.startBytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(process: TestProcess): Promise<void> {
    while (!this.#stop.signal.aborted && process.status === undefined) {
      this.peakBytes = Math.max(this.peakBytes, await process.residentBytes().catch(() => 0));
      await new Promise<void>((resolve) => {
        const end = () => {
          clearTimeout(timer);
          this.#stop.signal.removeEventListener("abort", end);
          resolve();
        };
        const timer = setTimeout(end, INTERVAL_MS);
        this.#stop.signal.addEventListener("abort", end);
      });
    }
  }
}
