/** The thread that accepts connections, and passes them on to the program as long as they behave. */

import { connect, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type Server as TlsServer } from "node:tls";
import { Passage } from "./passage.ts";
import { Peers } from "./peers.ts";
import type { FromGuard, GuardStart, KeyPair, Refusal, ToGuard } from "./protocol.ts";

const port = globalThis as unknown as {
  postMessage(message: FromGuard): void;
  onmessage: (event: MessageEvent<ToGuard>) => void;
};
const CHECK_MS = 1_000;
const LAST_BYTES_MS = 300;

class Doorkeeper {
  readonly #passages = new Set<Passage>();
  readonly #peers: Peers;
  /** Not told yet. */
  readonly #closed = new Map<Refusal, number>();
  readonly #server: Server;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly start: GuardStart) {
    this.#peers = new Peers(start.peers);
    const { tls, limits } = start;
    const serve = (client: Socket) => this.#serve(client);
    this.#server = tls
      ? createTlsServer({
        ...tls,
        ALPNProtocols: ["h2", "http/1.1"],
        handshakeTimeout: limits.handshakeMs,
      }, serve).on("tlsClientError", (_error, client) => client.destroy())
      : createServer(serve);
  }

  /** Resolves with the port; rejects where the address may not be listened on. */
  listen(): Promise<number> {
    const { hostname: host, port, shared } = this.start;
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ host, port, reusePort: shared }, () => {
        this.#server.removeListener("error", reject);
        this.#server.on("error", () => {});
        this.#timer = setInterval(() => this.#check(), CHECK_MS);
        resolve((this.#server.address() as { port: number }).port);
      });
    });
  }

  /** New connections get the new certificate; those that are open live on. */
  change(tls: KeyPair): void {
    (this.#server as TlsServer).setSecureContext(tls);
  }

  /** Lets what the program sent last reach the clients. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#server.close();
    const deadline = performance.now() + LAST_BYTES_MS;
    while (this.#passages.size > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    for (const passage of this.#passages) passage.close();
  }

  #serve(client: Socket): void {
    const { backendPort, limits } = this.start;
    if (this.#passages.size >= limits.maxSockets) {
      this.#count("too_many_sockets");
      client.destroy();
      return;
    }
    const program = connect({ host: "127.0.0.1", port: backendPort });
    let own: number | undefined;
    const passage = new Passage(client, program, {
      limits,
      onClosed: () => {
        this.#passages.delete(passage);
        if (own !== undefined) this.#peers.delete(own);
      },
    });
    this.#passages.add(passage);
    // Before the first byte of a request is passed on.
    program.once("connect", () => {
      own = program.localPort;
      this.#peers.set(own!, client.remoteAddress ?? "unknown");
    });
  }

  #check(): void {
    const now = performance.now();
    for (const passage of this.#passages) {
      const refusal = passage.check(now);
      if (refusal) this.#count(refusal);
    }
    for (const [reason, count] of this.#closed) port.postMessage({ type: "closed", reason, count });
    this.#closed.clear();
  }

  #count(refusal: Refusal): void {
    this.#closed.set(refusal, (this.#closed.get(refusal) ?? 0) + 1);
  }
}

let doorkeeper: Doorkeeper | undefined;

port.onmessage = async ({ data }) => {
  if (data.type === "start") {
    try {
      doorkeeper = new Doorkeeper(data);
      port.postMessage({ type: "listening", port: await doorkeeper.listen() });
    } catch (error) {
      const { code, name } = error as { code?: string; name: string };
      port.postMessage({ type: "failed", error: code ?? name });
    }
  } else if (data.type === "certificate") {
    let ok = true;
    try {
      doorkeeper?.change(data.tls);
    } catch {
      ok = false;
    }
    port.postMessage({ type: "changed", ok });
  } else {
    await doorkeeper?.stop();
    port.postMessage({ type: "stopped" });
  }
};
port.postMessage({ type: "loaded" });
