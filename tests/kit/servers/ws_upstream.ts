/** A WebSocket server that sends messages, like the systems upstream of Telecast. */

import { eventually } from "../eventually.ts";

/** One client's connection. */
export interface UpstreamClient {
  readonly socket: WebSocket;
  /** The query of its handshake. */
  readonly query: URLSearchParams;
  /** Frames that it sent. */
  readonly received: string[];
}

export class WsUpstream implements AsyncDisposable {
  /** All clients that ever connected, the newest last. */
  readonly clients: UpstreamClient[] = [];
  /** If set, the server answers with this status instead of a handshake. */
  refuseWith: number | undefined;
  port = 0;
  #server: Deno.HttpServer<Deno.NetAddr> | undefined;

  static start(): WsUpstream {
    const upstream = new WsUpstream();
    upstream.start();
    return upstream;
  }

  /** Listens; on the same port as before after a stop. */
  start(): void {
    this.#server = Deno.serve(
      { port: this.port, hostname: "127.0.0.1", onListen() {} },
      (request) => this.#upgrade(request),
    );
    this.port = this.#server.addr.port;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/ws`;
  }

  /** The client that is connected now. */
  client(timeoutMs = 10_000): Promise<UpstreamClient> {
    return eventually("a client of the upstream server", () => {
      const client = this.clients.at(-1);
      return client?.socket.readyState === WebSocket.OPEN && client;
    }, { timeoutMs });
  }

  /** Acked ids, in order, over all connections. */
  get acked(): string[] {
    return this.clients.flatMap(({ received }) =>
      received.map((text) => JSON.parse(text)).filter(({ event }) => event === "ack")
        .map(({ data }) => data.id)
    );
  }

  /** Ends every connection and stops listening. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const { socket } of this.clients) {
      if (socket.readyState < WebSocket.CLOSING) socket.close();
    }
    await server?.shutdown();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #upgrade(request: Request): Response {
    if (this.refuseWith !== undefined) return new Response(null, { status: this.refuseWith });
    const { socket, response } = Deno.upgradeWebSocket(request);
    const query = new URL(request.url).searchParams;
    const client: UpstreamClient = { socket, query, received: [] };
    socket.onopen = () => this.clients.push(client);
    socket.onmessage = ({ data }) => client.received.push(String(data));
    socket.onerror = (event) => event.preventDefault();
    return response;
  }
}
