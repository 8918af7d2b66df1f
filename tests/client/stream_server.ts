import { Recorder } from "../kit/recorder.ts";

interface StreamRequest {
  readonly transport: "ws" | "sse";
  readonly url: URL;
  readonly token: string | undefined;
}

/** One stream that a client has opened, as the server sees it. */
export class ServerStream {
  readonly transport: "ws" | "sse";
  readonly params: URLSearchParams;
  readonly token: string | undefined;
  readonly commands = new Recorder<Record<string, unknown>>("the stream's commands");
  /** Resolves when the client has gone, or the server has closed. */
  readonly closed: Promise<void>;
  isClosed = false;
  /** Answers `{"action":"ping"}`; a stream that does not appears dead. */
  answersPings = true;
  readonly #write: (event: string, data: unknown, id: string | undefined) => void;
  readonly #close: (code: number) => void;
  readonly #gone: () => void;

  constructor(
    { url, token }: StreamRequest,
    { transport, write, close }: {
      transport: "ws" | "sse";
      write: (event: string, data: unknown, id: string | undefined) => void;
      close: (code: number) => void;
    },
  ) {
    this.transport = transport;
    this.params = url.searchParams;
    this.token = token;
    this.#write = write;
    this.#close = close;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#gone = resolve;
  }

  frame(event: string, data: unknown, id?: string): void {
    if (!this.isClosed) this.#write(event, data, id);
  }

  close(code = 1000): void {
    if (this.isClosed) return;
    this.#close(code);
    this.gone();
  }

  gone(): void {
    this.isClosed = true;
    this.#gone();
  }
}

/**
 * A stream endpoint that the test controls. By default it accepts, sends a position when asked for
 * one, and replays what it published if a cursor is given.
 */
export class StreamServer implements AsyncDisposable {
  readonly streams = new Recorder<ServerStream>("the server");
  readonly requests: StreamRequest[] = [];
  /** Returns the answer to a request that is not accepted. */
  refuse: (transport: "ws" | "sse", token: string | undefined) => Response | undefined = () =>
    undefined;
  /** Whether streams get pings and replays automatically. */
  automatic = true;
  readonly #cors: boolean;
  readonly #log: unknown[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  /** `cors` lets pages of other origins in. */
  constructor({ cors = false } = {}) {
    this.#cors = cors;
    this.#server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
      const transport = request.headers.get("upgrade") ? "ws" : "sse";
      const url = new URL(request.url);
      const token = request.headers.get("sec-websocket-protocol")?.replace("bearer.", "") ??
        request.headers.get("authorization")?.replace("Bearer ", "") ??
        url.searchParams.get("access_token") ?? undefined;
      const asked = { transport, url, token } as const;
      this.requests.push(asked);
      return this.refuse(transport, token) ??
        (transport === "ws" ? this.#openWs(request, asked) : this.#openSse(asked));
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  get live(): ServerStream[] {
    return this.streams.items.filter((stream) => !stream.isClosed);
  }

  /** The n-th stream that was opened, from 0. */
  async stream(n: number): Promise<ServerStream> {
    return (await this.streams.waitForCount(n + 1))[n]!;
  }

  /** Adds a message to the log and sends it to every stream; its cursor is its number, from 1. */
  publish(data: unknown): string {
    const id = String(this.#log.push(data));
    for (const stream of this.live) stream.frame("message", data, id);
    return id;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stream of this.live) stream.close();
    await this.#server.shutdown();
  }

  #openWs(request: Request, asked: StreamRequest): Response {
    const offered = request.headers.get("sec-websocket-protocol");
    const { socket, response } = Deno.upgradeWebSocket(
      request,
      offered ? { protocol: offered } : {},
    );
    const stream = new ServerStream(asked, {
      transport: "ws",
      write: (event, data, id) => {
        if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ event, data, id }));
      },
      close: (code) => socket.close(code),
    });
    socket.onopen = () => this.#begin(stream);
    socket.onclose = () => stream.gone();
    socket.onerror = () => stream.gone();
    socket.onmessage = ({ data }) => {
      const command = JSON.parse(data);
      stream.commands.add(command);
      if (this.automatic && stream.answersPings && command.action === "ping") {
        stream.frame("ping", { type: "keep-alive" }, String(this.#log.length));
      }
    };
    return response;
  }

  #openSse(asked: StreamRequest): Response {
    const encoder = new TextEncoder();
    let controller: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({
      start: (c) => void (controller = c),
      cancel: () => stream.gone(),
    });
    const stream = new ServerStream(asked, {
      transport: "sse",
      write: (event, data, id) => {
        const lines = `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
        controller.enqueue(encoder.encode(id === undefined ? lines : `id: ${id}\n${lines}`));
      },
      close: () => controller.close(),
    });
    controller!.enqueue(encoder.encode("retry: 3000\n"));
    if (!stream.params.has("since")) {
      controller!.enqueue(encoder.encode(`id: ${this.#log.length}\n\n`));
    }
    this.#begin(stream);
    const headers = new Headers({ "content-type": "text/event-stream" });
    if (this.#cors) headers.set("access-control-allow-origin", "*");
    return new Response(body, { headers });
  }

  #begin(stream: ServerStream): void {
    const since = stream.params.get("since");
    if (since !== null && this.automatic) {
      const missed = this.#log.slice(Number(since));
      missed.forEach((data, i) => stream.frame("message", data, String(Number(since) + i + 1)));
      const replayed = { status: "full", replayed: missed.length };
      stream.frame("resumed", replayed, String(this.#log.length));
    }
    this.streams.add(stream);
  }
}
