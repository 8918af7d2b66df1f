/** WEB_CONCURRENCY: clients spread over several threads of one process. */

import type { Config } from "../config/config.ts";
import { getLogger } from "../telemetry/log.ts";
import type { ConnectionCount } from "../routes/http/connection_count.ts";

const log = getLogger("threads");

export type ToThread =
  | {
    readonly type: "start";
    readonly config: Config;
    /** Where the threads count their connections, and the slot of this one. */
    readonly connections: SharedArrayBuffer;
    readonly slot: number;
  }
  | { readonly type: "stop" };

export type FromThread =
  | { readonly type: "loaded" }
  | { readonly type: "stopped" };

const RESTART_MS = 1000;

/**
 * Each thread is a separate instance on the shared store, and listens on the same port: the system
 * distributes the connections. The ingest lease decides which thread consumes the sources.
 */
export class Threads {
  readonly #threads = new Set<Thread>();

  /** The first slot of `connections` is the main thread's. */
  constructor(
    config: Config,
    count: number,
    connections: ConnectionCount,
    module: URL = new URL("./thread.ts", import.meta.url),
  ) {
    for (let slot = 1; slot <= count; slot++) {
      this.#threads.add(new Thread({ config, connections, slot, module }));
    }
  }

  /** Resolves when every thread has said goodbye to its clients, or after `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    await Promise.all([...this.#threads].map((thread) => thread.stop(timeoutMs)));
  }
}

/** One thread, restarted if it fails. */
class Thread {
  #worker: Worker | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopping = false;
  readonly #stopped = Promise.withResolvers<void>();

  get name(): string {
    return `thread-${this.options.slot}`;
  }

  constructor(
    private readonly options: {
      readonly config: Config;
      readonly connections: ConnectionCount;
      readonly slot: number;
      readonly module: URL;
    },
  ) {
    this.#launch();
  }

  async stop(timeoutMs: number): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const timer = setTimeout(this.#stopped.resolve, timeoutMs);
    if (this.#worker) this.#post({ type: "stop" });
    else this.#stopped.resolve();
    await this.#stopped.promise;
    clearTimeout(timer);
    this.#worker?.terminate();
  }

  #launch(): void {
    const worker = new Worker(this.options.module, { type: "module", name: this.name });
    worker.onmessage = ({ data }: MessageEvent<FromThread>) => {
      if (data.type === "loaded") this.#start();
      else this.#stopped.resolve();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      worker.terminate();
      this.#onFailure(event.message);
    };
    this.#worker = worker;
  }

  #onFailure(reason: string): void {
    this.#worker = undefined;
    this.options.connections.clear(this.options.slot);
    const { name } = this;
    if (this.#stopping) {
      log.warning("{name} failed while stopping: {reason}", { name, reason });
      this.#stopped.resolve();
    } else {
      log.error("{name} failed and restarts: {reason}", { name, reason });
      this.#timer = setTimeout(() => this.#launch(), RESTART_MS);
    }
  }

  #start(): void {
    if (this.#stopping) return;
    const { config, connections: { buffer }, slot } = this.options;
    this.#post({ type: "start", config, connections: buffer, slot });
  }

  #post(message: ToThread): void {
    this.#worker?.postMessage(message);
  }
}
