/** The server with a handler that tests can inspect, and clients that write raw bytes. */

import type { RequestInfo } from "../../routes/http/own_server.ts";
import type { Handler } from "../../server/exchange.ts";
import { type ServerLimits, StreamServer } from "../../server/stream_server.ts";
import { RawConnection } from "../routes/raw.ts";

/** `/echo` sends back the body, `/events` a stream, `/socket` opens a WebSocket. */
export class Site implements AsyncDisposable {
  readonly server: StreamServer;
  /** Errors from reading bodies. */
  readonly errors: unknown[] = [];
  /** Open streams. */
  readonly streams = new Set<unknown>();

  constructor(limits: Partial<ServerLimits> = {}, handler?: Handler) {
    this.server = new StreamServer({
      hostname: "127.0.0.1",
      port: 0,
      limits,
      onError: () => new Response("failed", { status: 500 }),
    }, handler ?? ((request, info) => this.#answer(request, info)));
  }

  get port(): number {
    return this.server.addr.port;
  }

  url(target: string): string {
    return `http://127.0.0.1:${this.port}${target}`;
  }

  /** A client that has written the given text, in one piece or several. */
  async raw(...pieces: string[]): Promise<RawClient> {
    const client = new RawClient(await RawConnection.open(this.port));
    for (const piece of pieces) await client.send(piece);
    return client;
  }

  async #answer(request: Request, { direct }: RequestInfo): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/fail") throw new Error("fail");
    if (pathname === "/echo") {
      const body = await request.bytes().catch((error) => void this.errors.push(error));
      return body ? new Response(body) : new Response("broken", { status: 400 });
    }
    if (pathname === "/large") return new Response("x".repeat(20_000_000));
    if (pathname === "/events" && direct) {
      const events = direct.openEvents(() => this.streams.delete(events));
      this.streams.add(events);
      events.write(new TextEncoder().encode("data: 1\n\n"));
      return new Response(null, { headers: { "content-type": "text/event-stream" } });
    }
    const { method, url, headers } = request;
    return Response.json({
      method,
      url,
      direct: direct !== undefined,
      headers: Object.fromEntries(headers),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.shutdown();
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

export class RawClient implements AsyncDisposable {
  constructor(readonly connection: RawConnection) {}

  async send(text: string): Promise<void> {
    await this.connection.write(Uint8Array.from(text, (char) => char.charCodeAt(0)));
  }

  /** The next answer that has a length. */
  async answer({ bodiless = false } = {}): Promise<Answer> {
    const { status, headers } = await this.connection.head();
    const length = bodiless ? 0 : Number(headers.get("content-length") ?? 0);
    const bytes = await this.connection.bytes(length);
    return { status, headers, body: new TextDecoder().decode(bytes) };
  }

  /** Everything received until the server closes. */
  end(): Promise<string> {
    return this.connection.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection[Symbol.asyncDispose]();
  }
}
