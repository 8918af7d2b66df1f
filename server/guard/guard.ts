/**
 * Guards connections in a thread of its own: TLS, and clients that hold connections without using
 * them.
 */

import { getLogger } from "../../telemetry/log.ts";
import { Fault } from "../../telemetry/log_text.ts";
import { closed } from "../../telemetry/metrics.ts";
import { Peers } from "./peers.ts";
import type { FromGuard, GuardStart, KeyPair, ToGuard } from "./protocol.ts";

const log = getLogger("guard");
const RESTART_MS = 1_000;

export type GuardOptions = Omit<GuardStart, "type" | "peers">;

/** Cannot listen on the address; `code` is the system's, such as `EADDRINUSE`. */
export class GuardError extends Error {
  override readonly name = "GuardError";
  constructor(readonly code: string) {
    super(`Cannot listen: ${code}`);
  }
}

/**
 * `Deno.serve` waits forever for a request that does not arrive and for a client that does not
 * read, and keeps the certificate that it started with. So clients connect here, and the guard
 * connects to the server on loopback. Bytes pass through unchanged, including HTTP/2 and
 * WebSockets.
 */
export class Guard {
  readonly #peers = new Peers();
  #worker: Worker | undefined;
  #options: GuardOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #stopped = Promise.withResolvers<void>();
  #stopping = false;

  private constructor(options: GuardOptions) {
    this.#options = options;
  }

  /** @throws {GuardError} */
  static async start(options: GuardOptions): Promise<Guard> {
    const guard = new Guard(options);
    const port = await guard.#launch();
    // A restarted thread must listen on the port that clients know.
    guard.#options = { ...options, port };
    return guard;
  }

  get port(): number {
    return this.#options.port;
  }

  /** The client's address behind a connection from this loopback port. */
  peer(port: number): string | undefined {
    return this.#peers.get(port);
  }

  /** New connections get it; open ones are not affected. */
  change(tls: KeyPair): void {
    this.#options = { ...this.#options, tls };
    this.#post({ type: "certificate", tls });
  }

  /** Closes the port and every connection. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    if (!this.#worker) return;
    this.#post({ type: "stop" });
    await this.#stopped.promise;
    this.#worker?.terminate();
  }

  #launch(): Promise<number> {
    const started = Promise.withResolvers<number>();
    const worker = new Worker(new URL("./worker.ts", import.meta.url), {
      type: "module",
      name: "guard",
    });
    worker.onmessage = ({ data }: MessageEvent<FromGuard>) => {
      if (data.type === "loaded") {
        this.#post({ type: "start", peers: this.#peers.buffer, ...this.#options });
      } else if (data.type === "listening") started.resolve(data.port);
      else if (data.type === "failed") {
        worker.terminate();
        this.#worker = undefined;
        started.reject(new GuardError(data.error));
      } else if (data.type === "closed") closed.count(data.reason, data.count);
      else if (data.type === "ran_out") {
        log.error(
          "no new connections: too many open files; raise the limit (ulimit -n, LimitNOFILE)",
        );
      } else if (data.type === "stopped") this.#stopped.resolve();
      else if (data.type === "crashed") crashed(data.fault);
      else if (data.ok) log.info("new connections use the new certificate");
      else log.error("the new certificate cannot be used: see TLS_CERT_PATH and TLS_KEY_PATH");
    };
    const crashed = (fault: string) => {
      if (this.#worker !== worker) return;
      worker.terminate();
      this.#worker = undefined;
      this.#stopped.resolve();
      started.reject(new GuardError("WorkerFailed"));
      if (this.#stopping) return;
      log.error("the connection guard failed and restarts: {fault}", {
        fault: Fault.from(fault),
      });
      this.#again();
    };
    // Errors that the worker cannot report itself, such as a syntax error.
    worker.onerror = (event) => {
      event.preventDefault();
      crashed(event.message);
    };
    this.#worker = worker;
    return started.promise;
  }

  #again(): void {
    this.#timer = setTimeout(() => {
      this.#launch().catch(() => {
        if (!this.#stopping) this.#again();
      });
    }, RESTART_MS);
  }

  #post(message: ToGuard): void {
    this.#worker?.postMessage(message);
  }
}
