/** The thread that accepts connections, and passes them on to the program as long as they behave. */

import { Passage } from "./passage.ts";
import { Peers } from "./peers.ts";
import type { FromGuard, GuardStart, KeyPair, Refusal, ToGuard } from "./protocol.ts";

const port = globalThis as unknown as {
  postMessage(message: FromGuard): void;
  onmessage: (event: MessageEvent<ToGuard>) => void;
};
const CHECK_MS = 1_000;
/** Where the machine is out of file descriptors, a connection that ends makes room. */
const ACCEPT_PAUSE_MS = 100;

class Doorkeeper {
  readonly #passages = new Set<Passage>();
  readonly #peers: Peers;
  readonly #closed: Record<Refusal, number> = {
    too_many_sockets: 0,
    handshake_timeout: 0,
    idle_timeout: 0,
    write_timeout: 0,
  };
  readonly #timer: ReturnType<typeof setInterval>;
  #listener: Deno.Listener<Deno.TcpConn> | Deno.TlsListener;
  /** Sockets whose connection to the program is being made. */
  #opening = 0;
  #stopped = false;

  /** @throws where the address may not be listened on. */
  constructor(private readonly start: GuardStart) {
    this.#peers = new Peers(start.peers);
    const { hostname, port, shared } = start;
    // Two listeners share the port while certificates change; nobody else may.
    if (!shared) Deno.listen({ hostname, port }).close();
    this.#listener = this.#listen(start.tls, port);
    this.#timer = setInterval(() => this.#check(), CHECK_MS);
    this.#accept(this.#listener);
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  /** New connections get the new certificate; those that are open live on. */
  change(tls: KeyPair): void {
    const before = this.#listener;
    this.#listener = this.#listen(tls, this.port);
    this.#accept(this.#listener);
    before.close();
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#listener.close();
    for (const passage of this.#passages) passage.close();
  }

  #listen(tls: KeyPair | undefined, port: number) {
    const { hostname } = this.start;
    const options = { hostname, port, reusePort: true };
    if (!tls) return Deno.listen(options);
    return Deno.listenTls({ ...options, ...tls, alpnProtocols: ["h2", "http/1.1"] });
  }

  async #accept(listener: Deno.Listener<Deno.TcpConn> | Deno.TlsListener): Promise<void> {
    for (;;) {
      try {
        this.#serve(await listener.accept());
      } catch {
        if (listener !== this.#listener || this.#stopped) return;
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_PAUSE_MS));
      }
    }
  }

  async #serve(client: Deno.Conn): Promise<void> {
    const { backendPort, limits: { maxSockets } } = this.start;
    if (this.#passages.size + this.#opening >= maxSockets) {
      this.#closed.too_many_sockets++;
      return client.close();
    }
    this.#opening++;
    let program: Deno.TcpConn;
    try {
      program = await Deno.connect({ hostname: "127.0.0.1", port: backendPort });
    } catch {
      return client.close();
    } finally {
      this.#opening--;
    }
    program.setNoDelay(true);
    if ("setNoDelay" in client) (client as Deno.TcpConn).setNoDelay(true);
    const own = (program.localAddr as Deno.NetAddr).port;
    this.#peers.set(own, (client.remoteAddr as Deno.NetAddr).hostname);
    const passage = new Passage(client, program, this.start.limits);
    this.#passages.add(passage);
    await passage.run();
    this.#passages.delete(passage);
    this.#peers.delete(own);
  }

  #check(): void {
    const now = performance.now();
    for (const passage of this.#passages) {
      const refusal = passage.check(now);
      if (refusal) this.#closed[refusal]++;
    }
    port.postMessage({
      type: "figures",
      open: this.#passages.size + this.#opening,
      closed: { ...this.#closed },
    });
  }
}

let doorkeeper: Doorkeeper | undefined;

port.onmessage = ({ data }) => {
  if (data.type === "start") {
    try {
      doorkeeper = new Doorkeeper(data);
      port.postMessage({ type: "listening", port: doorkeeper.port });
    } catch (error) {
      port.postMessage({ type: "failed", error: error instanceof Error ? error.name : "Error" });
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
    doorkeeper?.stop();
    port.postMessage({ type: "stopped" });
  }
};
port.postMessage({ type: "loaded" });
