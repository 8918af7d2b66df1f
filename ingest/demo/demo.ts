/** The upstream that a development machine lacks: an MQTT broker and devices that use it. */

import type { Logger } from "../../telemetry/log.ts";
import type { FromDemoWorker, ToDemoWorker } from "./protocol.ts";

export interface DemoOptions {
  readonly logger: Logger;
  /** Where the broker listens; if the port is taken, on the next free one. */
  readonly host?: string;
  readonly port?: number;
  /** 0 starts the broker only. */
  readonly vehicles?: number;
}

export interface Demo extends AsyncDisposable {
  /** For devices, `mosquitto_pub` and Telecast itself. */
  readonly brokerUrl: string;
  /** Topic filter that matches everything published there. */
  readonly topic: string;
  stop(): Promise<void>;
}

const START_MS = 60_000;
const STOP_MS = 500;
const RESTART_MS = 1_000;

/**
 * Starts the broker and the vehicles, each in its own worker, and keeps them running.
 * @throws {Error} if the broker cannot listen on any port.
 */
export async function startDemo(options: DemoOptions): Promise<Demo> {
  const { logger, host = "127.0.0.1", vehicles = 25 } = options;
  const broker = new DemoWorker("./broker_worker.ts", logger);
  const fleet = new DemoWorker("./fleet_worker.ts", logger);
  const stop = async () => {
    await fleet.stop();
    await broker.stop();
  };
  try {
    const port = await broker.start({ type: "broker", host, port: options.port ?? 1883 });
    // After a failure it restarts on the port that its clients use.
    broker.again = { type: "broker", host, port };
    const brokerUrl = `mqtt://${host}:${port}`;
    if (vehicles > 0) await fleet.start({ type: "fleet", brokerUrl, vehicles });
    return { brokerUrl, topic: "#", stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A worker that is restarted when it fails. */
class DemoWorker {
  again: ToDemoWorker | undefined;
  #worker: Worker | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ended = false;
  #stopped = Promise.withResolvers<void>();
  #started = Promise.withResolvers<number>();

  constructor(private readonly module: string, private readonly logger: Logger) {
    this.#started.promise.catch(() => {});
  }

  /** Resolves with the port that the worker listens on; 0 if it is not a server. */
  async start(first: ToDemoWorker): Promise<number> {
    this.#launch(first);
    const timer = setTimeout(
      () => this.#started.reject(new Error(`${this.module} did not start`)),
      START_MS,
    );
    try {
      return await this.#started.promise;
    } finally {
      clearTimeout(timer);
      this.again ??= first;
    }
  }

  async stop(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    if (!this.#worker) return;
    this.#worker.postMessage({ type: "stop" } satisfies ToDemoWorker);
    const timer = setTimeout(() => this.#stopped.resolve(), STOP_MS);
    await this.#stopped.promise;
    clearTimeout(timer);
    this.#worker.terminate();
  }

  #launch(first: ToDemoWorker): void {
    const worker = this.#worker = new Worker(new URL(this.module, import.meta.url), {
      type: "module",
      name: this.module,
    });
    worker.onmessage = ({ data }: MessageEvent<FromDemoWorker>) => {
      if (data.type === "loaded") {
        worker.postMessage(first);
        if (first.type === "fleet") this.#started.resolve(0);
      } else if (data.type === "listening") this.#started.resolve(data.port);
      else this.#stopped.resolve();
    };
    worker.onerror = (event) => {
      // Otherwise the error would end the process.
      event.preventDefault();
      this.#onFailure(event.message);
    };
  }

  #onFailure(reason: string): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#stopped.resolve();
    if (!this.again) return this.#started.reject(new Error(reason));
    if (this.#ended) return;
    this.logger.error("{module} failed: {reason}", { module: this.module, reason });
    const { again } = this;
    this.#timer = setTimeout(() => this.#launch(again), RESTART_MS);
  }
}
