/** A TCP proxy that misbehaves on request. */

import { connect, createServer, type Server, type Socket } from "node:net";
import { freePort } from "../ports.ts";

/**
 * - `pass`: forwards bytes, delayed by `delayMs` if set.
 * - `stall`: accepts connections but reads nothing from either side.
 * - `drop`: closes new connections at once.
 */
export type ProxyMode = "pass" | "stall" | "drop";

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

export class TcpProxy implements AsyncDisposable {
  readonly port: number;
  /** Bytes forwarded since the start, by direction. */
  readonly bytes = { toServer: 0, toClient: 0 };
  /** Connections accepted since the start. */
  accepted = 0;
  #mode: ProxyMode = "pass";
  #delayMs = 0;
  #cut: { direction: "toServer" | "toClient"; afterBytes: number } | undefined;
  #listener: Server | undefined;
  readonly #pairs = new Set<Pair>();

  private constructor(private targetPort: number, port: number | undefined) {
    this.port = port ?? freePort();
  }

  static async start(targetPort: number, options: { port?: number } = {}): Promise<TcpProxy> {
    const proxy = new TcpProxy(targetPort, options.port);
    await proxy.accept();
    return proxy;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  pass(): void {
    this.#setMode("pass");
  }

  /** Keeps connections open but forwards nothing, until pass(). */
  stall(): void {
    this.#setMode("stall");
  }

  /** Closes new connections as soon as they are accepted, until pass(). */
  drop(): void {
    this.#setMode("drop");
  }

  /** Delays every chunk by `ms`; 0 ends the delay. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** Resets the connection that carries byte `afterBytes` from now on, in the middle of a chunk. */
  cutAfter(afterBytes: number, direction: "toServer" | "toClient" = "toClient"): void {
    this.#cut = { direction, afterBytes };
  }

  /** Sends new connections to another port. */
  retarget(port: number): void {
    this.targetPort = port;
  }

  /** Resets all connections (RST, no orderly end). */
  reset(): void {
    for (const pair of this.#pairs) this.#end(pair);
  }

  /** Resets all connections and refuses new ones, until accept(). */
  async refuse(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      if (this.#listener) this.#listener.close(() => resolve());
      else resolve();
    });
    this.#listener = undefined;
    this.reset();
    await closed;
  }

  async accept(): Promise<void> {
    if (this.#listener) return;
    const listener = createServer({ noDelay: true }, (client) => this.#open(client));
    this.#listener = listener;
    await new Promise<void>((resolve, reject) => {
      listener.once("error", reject);
      listener.listen(this.port, "127.0.0.1", () => resolve());
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.refuse();
  }

  #setMode(mode: ProxyMode): void {
    this.#mode = mode;
    for (const pair of this.#pairs) this.#apply(pair);
  }

  #apply({ client, server }: Pair): void {
    for (const socket of [client, server]) {
      if (this.#mode === "stall") socket.pause();
      else socket.resume();
    }
  }

  #open(client: Socket): void {
    this.accepted++;
    if (this.#mode === "drop") {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ port: this.targetPort, host: "127.0.0.1", noDelay: true });
    const pair = { client, server };
    this.#pairs.add(pair);
    this.#pipe(pair, client, server, "toServer");
    this.#pipe(pair, server, client, "toClient");
    this.#apply(pair);
  }

  #pipe(pair: Pair, from: Socket, to: Socket, direction: "toServer" | "toClient"): void {
    // Delayed writes, in order: any timer that fires runs the first one, so none overtakes another.
    const held: (() => void)[] = [];
    let due = 0;
    from.on("data", (chunk) => {
      const bytes = chunk as Uint8Array;
      const cut = this.#cut;
      if (cut?.direction === direction) {
        cut.afterBytes -= bytes.length;
        if (cut.afterBytes < 0) {
          this.#cut = undefined;
          const head = bytes.subarray(0, bytes.length + cut.afterBytes);
          if (head.length === 0) this.#end(pair);
          else to.write(head, () => this.#end(pair));
          return;
        }
      }
      this.bytes[direction] += bytes.length;
      const write = () => {
        if (to.destroyed || to.write(bytes)) return;
        from.pause();
        to.once("drain", () => this.#mode !== "stall" && from.resume());
      };
      const now = performance.now();
      due = Math.max(due, now + this.#delayMs);
      if (due > now || held.length > 0) {
        held.push(write);
        setTimeout(() => held.shift()!(), Math.ceil(due - now));
      } else write();
    });
    from.on("end", () => setTimeout(() => to.end(), Math.max(0, due - performance.now()) + 1));
    from.on("error", () => this.#end(pair));
    from.on("close", () => {
      if (to.destroyed) this.#pairs.delete(pair);
    });
  }

  #end(pair: Pair): void {
    this.#pairs.delete(pair);
    for (const socket of [pair.client, pair.server]) {
      if (!socket.destroyed) socket.resetAndDestroy();
    }
  }
}
