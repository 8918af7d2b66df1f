/** The backend of the alarm panels: a real HTTP server that misbehaves on request. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** How it answers a call: with a status, not at all, or with a connection reset. */
export type Behaviour = number | "stall" | "reset";

export interface BackendCall {
  readonly path: string;
  /** The idempotency key. */
  readonly key: string;
  // deno-lint-ignore no-explicit-any -- bodies of many shapes
  readonly body: any;
  readonly headers: IncomingMessage["headers"];
  readonly answered: Behaviour;
  /** By the monotonic clock, in ms. */
  readonly at: number;
}

export class BackendServer implements AsyncDisposable {
  readonly calls: BackendCall[] = [];
  /** Chooses the behavior for each call; always 200 unless replaced. */
  behave: (call: Omit<BackendCall, "answered">) => Behaviour = () => 200;
  /** The body of a successful answer. */
  answer: (call: Omit<BackendCall, "answered">) => unknown = () => ({});
  port = 0;
  #server: Server | undefined;

  static async start(): Promise<BackendServer> {
    const backend = new BackendServer();
    await backend.start();
    return backend;
  }

  /** Listens; on the same port as before after a stop. */
  async start(): Promise<void> {
    const server = createServer((request, response) => this.#serve(request, response));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
    this.port = (server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Calls that were answered with 200, in order. */
  get done(): BackendCall[] {
    return this.calls.filter(({ answered }) => answered === 200);
  }

  /** Ends every connection and stops listening. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = "";
    try {
      for await (const chunk of request) text += chunk;
    } catch {
      return;
    }
    const call = {
      path: request.url ?? "",
      key: String(request.headers["idempotency-key"] ?? ""),
      body: text === "" ? undefined : JSON.parse(text),
      headers: request.headers,
      at: performance.now(),
    };
    const answered = this.behave(call);
    this.calls.push({ ...call, answered });
    if (answered === "stall") return;
    if (answered === "reset") return void request.socket.destroy();
    response.writeHead(answered, { "content-type": "application/json" });
    response.end(JSON.stringify(answered < 300 ? this.answer(call) : { error: answered }));
  }
}
