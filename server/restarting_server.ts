/** An HTTP server that restarts when its listener fails. */

const AGAIN_MS = 250;

export interface LastingServerOptions extends Deno.ServeTcpOptions {
  readonly onError: (error: unknown) => Response;
  /** The listener failed and will be restarted. */
  readonly onFailed: (error: unknown) => void;
}

type Handler = (request: Request, info: Deno.ServeHandlerInfo) => Response | Promise<Response>;

/**
 * If no file descriptor is left for a connection, `Deno.serve` fails, and the process ends with it.
 * Open connections survive, so the failure is caught and the port is listened on again.
 */
export class RestartingServer {
  readonly addr: Deno.NetAddr;
  #server: Deno.HttpServer<Deno.NetAddr> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopping = false;

  /** @throws if the port cannot be listened on now. */
  constructor(
    private readonly options: LastingServerOptions,
    private readonly handler: Handler,
  ) {
    this.addr = this.#listen(options).addr;
  }

  /** Accepts no new connections, and resolves when all open ones have ended. */
  async shutdown(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    await this.#server?.shutdown();
  }

  #listen(options: Deno.ServeTcpOptions): Deno.HttpServer<Deno.NetAddr> {
    const server = Deno.serve({ ...options, onListen() {} }, this.handler);
    this.#server = server;
    server.finished.catch((error) => this.#failed(error));
    return server;
  }

  #failed(error: unknown): void {
    this.#server = undefined;
    if (this.#stopping) return;
    this.options.onFailed(error);
    this.#timer = setTimeout(() => {
      try {
        this.#listen({ ...this.options, port: this.addr.port });
      } catch (error) {
        this.#failed(error);
      }
    }, AGAIN_MS);
  }
}
