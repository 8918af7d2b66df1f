/** WEB_CONCURRENCY: clients spread over several threads of one process. */

import type { Config } from "./config.ts";
import { getLogger } from "./log.ts";

const log = getLogger("threads");

export type ToThread =
  | { readonly type: "start"; readonly config: Config }
  | { readonly type: "stop" };

export type FromThread =
  | { readonly type: "loaded" }
  | { readonly type: "stopped" };

const RESTART_MS = 1000;

/**
 * Each thread is an instance of its own on the shared store, and listens on the same port: the
 * system spreads the connections. The ingest lease decides which of them consumes the sources.
 */
export class Threads {
  readonly #threads = new Set<Thread>();

  constructor(config: Config, count: number) {
    for (let i = 0; i < count; i++) this.#threads.add(new Thread(config, `thread-${i + 1}`));
  }

  /** Resolves when every thread has said goodbye to its clients, or after `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    await Promise.all([...this.#threads].map((thread) => thread.stop(timeoutMs)));
  }
}

/** One thread, started again where it fails. */
class Thread {
  #worker: Worker | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #stopped = Promise.withResolvers<void>();

  constructor(private readonly config: Config, private readonly name: string) {
    this.#launch();
  }

  async stop(timeoutMs: number): Promise<void> {
    clearTimeout(this.#timer);
    const timer = setTimeout(this.#stopped.resolve, timeoutMs);
    if (this.#worker) this.#post({ type: "stop" });
    else this.#stopped.resolve();
    await this.#stopped.promise;
    clearTimeout(timer);
    this.#worker?.terminate();
  }

  #launch(): void {
    const worker = new Worker(new URL("./thread.ts", import.meta.url), {
      type: "module",
      name: this.name,
    });
    worker.onmessage = ({ data }: MessageEvent<FromThread>) => {
      if (data.type === "loaded") this.#post({ type: "start", config: this.config });
      else this.#stopped.resolve();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      log.error("{name} failed and starts again: {error}", {
        name: this.name,
        error: event.message,
      });
      worker.terminate();
      this.#worker = undefined;
      this.#timer = setTimeout(() => this.#launch(), RESTART_MS);
    };
    this.#worker = worker;
  }

  #post(message: ToThread): void {
    this.#worker?.postMessage(message);
  }
}
