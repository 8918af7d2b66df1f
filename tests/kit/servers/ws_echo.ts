/**
 * Echoes every WebSocket message, on the production server, for conformance suites.
 * To run it alone: `deno run -A tests/kit/servers/ws_echo.ts 9001`, then connect to
 * `ws://127.0.0.1:9001/`.
 */

import type { ClientSocket } from "../../../broker/streams/ws_sink.ts";
import { BINARY, frame, textFrame } from "../../../broker/streams/websocket_frame.ts";
import type { RequestInfo } from "../../../routes/http/own_server.ts";
import { StreamServer } from "../../../server/stream_server.ts";
import { say } from "../say.ts";

const TOO_BIG = 1009;

export interface EchoOptions {
  /** 0: the system chooses a port. */
  readonly port?: number;
  readonly maxMessageBytes?: number;
}

export class EchoServer implements AsyncDisposable {
  readonly #server: StreamServer;
  /** Messages that were echoed. */
  messages = 0;
  /** Connections that are open. */
  open = 0;

  constructor(private readonly options: EchoOptions = {}) {
    this.#server = new StreamServer({
      hostname: "127.0.0.1",
      port: options.port ?? 0,
      onError: () => new Response(null, { status: 500 }),
    }, (request, info) => this.#answer(request, info));
  }

  get port(): number {
    return this.#server.addr.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  #answer(_request: Request, { direct }: RequestInfo): Response {
    const { maxMessageBytes = 65_536 } = this.options;
    const socket: ClientSocket | undefined = direct?.upgrade({
      onMessage: (data) => {
        this.messages++;
        socket!.sendFrames!(
          typeof data === "string" ? textFrame(data) : frame(BINARY, new Uint8Array(data)),
        );
      },
      onTooBig: () => socket!.close(TOO_BIG, "frame too big"),
      onGone: () => this.open--,
    }, { maxMessageBytes });
    if (!socket) return new Response("A WebSocket echo", { status: 400 });
    this.open++;
    return new Response(null, { status: 101 });
  }
}

if (import.meta.main) {
  const [port = "9001", maxMessageBytes = "16777216"] = Deno.args;
  const echo = new EchoServer({ port: Number(port), maxMessageBytes: Number(maxMessageBytes) });
  say(`ws://127.0.0.1:${echo.port}/`);
}
