/** The embedded MQTT broker: aedes on TCP. Speaks MQTT 3.1.1. */

import { createServer, type Server, type Socket } from "node:net";
import { Aedes, type Client } from "aedes";

export interface BrokerOptions {
  readonly host: string;
  /** The first port to try; 0 lets the system choose. */
  readonly port: number;
}

const PORTS_TO_TRY = 100;

export class EmbeddedBroker implements AsyncDisposable {
  readonly #sockets = new Set<Socket>();

  private constructor(
    readonly host: string,
    readonly port: number,
    readonly aedes: Aedes,
    private readonly server: Server,
  ) {
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.setNoDelay(true);
      guardParser(aedes.handle(socket));
    });
  }

  /** Listens on the given port or, if it is taken, on the next free one. */
  static async start({ host, port }: BrokerOptions): Promise<EmbeddedBroker> {
    const aedes = await Aedes.createBroker();
    const server = createServer();
    const taken = await listen(server, host, port);
    return new EmbeddedBroker(host, taken, aedes, server);
  }

  get url(): string {
    return `mqtt://${this.host}:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    await new Promise<void>((resolve) => this.aedes.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

interface Parser {
  parse(chunk: Uint8Array): number;
}

/**
 * Under Deno a packet's handler can read the socket, and so reenter the parser while it is still at
 * that packet, which corrupts the parser's state. Chunks that arrive while it runs are queued.
 */
function guardParser(client: Client): void {
  const { _parser: parser } = client as unknown as { _parser: Parser };
  const parse = parser.parse.bind(parser);
  const waiting: Uint8Array[] = [];
  let parsing = false;
  parser.parse = (chunk) => {
    waiting.push(chunk);
    if (parsing) return 0;
    parsing = true;
    try {
      let left = 0;
      for (let next = waiting.shift(); next; next = waiting.shift()) left = parse(next);
      return left;
    } finally {
      parsing = false;
    }
  };
}

async function listen(server: Server, host: string, firstPort: number): Promise<number> {
  for (let tried = 0;; tried++) {
    const port = firstPort === 0 ? 0 : firstPort + tried;
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(port, host, () => {
          server.off("error", reject);
          resolve();
        });
      });
      const address = server.address();
      return typeof address === "object" && address ? address.port : port;
    } catch (error) {
      const { code } = error as { code?: string };
      if ((code !== "EADDRINUSE" && code !== "EACCES") || tried >= PORTS_TO_TRY) throw error;
    }
  }
}
