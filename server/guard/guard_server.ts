/** Accepts connections and forwards them to the program while they stay within the limits. */

import { connect, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type Server as TlsServer } from "node:tls";
import { type OpenSocket, OpenSockets } from "./open_sockets.ts";
import { GuardedPipe } from "./guarded_pipe.ts";
import { Peers } from "./peers.ts";
import type { FromGuard, GuardStart, KeyPair, Refusal } from "./protocol.ts";

const CHECK_MS = 1_000;
/** Time without a new connection after which the guard tests whether they are still accepted. */
const PROBE_MS = 2_000;
const LAST_BYTES_MS = 300;

export class GuardServer {
  readonly #pipes = new Set<GuardedPipe>();
  readonly #unread = { bytes: 0, pipes: 0 };
  readonly #sockets: OpenSockets;
  /** Connections by the client's address and port, entered before the TLS handshake. */
  readonly #entered = new Map<string, OpenSocket>();
  readonly #peers: Peers;
  /** Closed connections that are not reported yet. */
  readonly #closed = new Map<Refusal, number>();
  #server: Server | undefined;
  #tls: KeyPair | undefined;
  #acceptedAt = performance.now();
  /** The guard's connection to itself, and when it was made. */
  #probe: Socket | undefined;
  #probedAt = 0;
  #stopping = false;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly start: GuardStart,
    private readonly tell: (message: FromGuard) => void,
  ) {
    this.#peers = new Peers(start.peers);
    const { maxSockets, maxSocketsPerAddress } = start.limits;
    this.#sockets = new OpenSockets({
      max: maxSockets,
      maxPerAddress: maxSocketsPerAddress,
      onRefused: () => this.#count("too_many_sockets"),
    });
    this.#tls = start.tls;
  }

  /** Resolves with the port; rejects if the guard cannot listen on the address. */
  async listen(): Promise<number> {
    const own = await this.#listen(this.start.port);
    this.#timer = setInterval(() => {
      this.#check();
      if (!this.start.shared) this.#lookIfAccepted(own);
    }, CHECK_MS);
    return own;
  }

  /** New connections get the new certificate; open ones are not affected. */
  change(tls: KeyPair): void {
    (this.#server as TlsServer).setSecureContext(tls);
    this.#tls = tls;
  }

  /** Waits for a moment, so that the last bytes of the program reach the clients. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#timer);
    this.#probe?.destroy();
    this.#server?.close();
    const deadline = performance.now() + LAST_BYTES_MS;
    while (this.#pipes.size > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    for (const pipe of this.#pipes) pipe.close();
  }

  #listen(port: number): Promise<number> {
    const { hostname: host, shared, limits } = this.start;
    const serve = (client: Socket) => this.#serve(client);
    const server = this.#tls
      ? createTlsServer({
        ...this.#tls,
        ALPNProtocols: ["h2", "http/1.1"],
        allowHalfOpen: true,
        handshakeTimeout: limits.handshakeMs,
      }, serve).on("tlsClientError", (_error, client) => client.destroy())
      : createServer({ allowHalfOpen: true }, serve);
    this.#server = server;
    server.prependListener("connection", (socket: Socket) => this.#enter(socket));
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, port, reusePort: shared }, () => {
        server.removeListener("error", reject);
        server.on("error", () => {});
        resolve((server.address() as { port: number }).port);
      });
    });
  }

  /**
   * If no file descriptor is left for a connection, Deno's server stops accepting for good, without
   * an error. So after a while without new connections the guard connects to itself, and listens
   * again if that connection is not accepted either. This is skipped if threads share the port:
   * another thread may accept the connection, so it would prove nothing.
   */
  #lookIfAccepted(own: number): void {
    const now = performance.now();
    if (now - Math.max(this.#acceptedAt, this.#probedAt) < PROBE_MS) return;
    this.#probe?.destroy();
    this.#probedAt = now;
    const { hostname } = this.start;
    const host = hostname === "0.0.0.0" ? "127.0.0.1" : hostname === "::" ? "::1" : hostname;
    const listenAgain = () => {
      if (this.#stopping || this.#acceptedAt >= now) return;
      this.tell({ type: "ran_out" });
      this.#server?.close();
      // If this fails, the next probe is refused.
      this.#listen(own).catch(() => {});
    };
    const probe = this.#probe = connect({ host, port: own });
    probe.once("error", listenAgain);
    probe.once("connect", () =>
      setTimeout(() => {
        probe.destroy();
        listenAgain();
      }, CHECK_MS));
  }

  #enter(raw: Socket): void {
    this.#acceptedAt = performance.now();
    const name = nameOf(raw);
    const socket = this.#sockets.enter(raw.remoteAddress ?? "unknown", () => raw.destroy());
    if (!socket) {
      raw.destroy();
      return;
    }
    this.#entered.set(name, socket);
    raw.once("close", () => {
      socket.leave();
      if (this.#entered.get(name) === socket) this.#entered.delete(name);
    });
  }

  #serve(client: Socket): void {
    const { backendPort, limits } = this.start;
    const socket = this.#entered.get(nameOf(client));
    if (client.destroyed || !socket) {
      client.destroy();
      return;
    }
    const program = connect({ host: "127.0.0.1", port: backendPort, allowHalfOpen: true });
    let own: number | undefined;
    const pipe = new GuardedPipe(client, program, {
      limits,
      unread: this.#unread,
      onAnswered: () => socket.work(),
      onClosed: (reason) => {
        if (reason) this.#count(reason);
        this.#pipes.delete(pipe);
        this.#unread.pipes = this.#pipes.size;
        if (own !== undefined) this.#peers.delete(own);
      },
    });
    this.#pipes.add(pipe);
    this.#unread.pipes = this.#pipes.size;
    // Set before the first byte of a request is forwarded.
    program.once("connect", () => {
      own = program.localPort;
      this.#peers.set(own!, client.remoteAddress ?? "unknown");
    });
  }

  #check(): void {
    const now = performance.now();
    for (const pipe of this.#pipes) pipe.check(now);
    for (const [reason, count] of this.#closed) this.tell({ type: "closed", reason, count });
    this.#closed.clear();
  }

  #count(refusal: Refusal): void {
    this.#closed.set(refusal, (this.#closed.get(refusal) ?? 0) + 1);
  }
}

function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
