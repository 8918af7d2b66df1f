/** All open connections, and which one is closed if there are too many. */

export interface OpenSocketsOptions {
  readonly max: number;
  /** No limit unless given. */
  readonly maxPerAddress?: number | undefined;
  /** Memory that all requests together may hold until they are answered; no limit unless given. */
  readonly maxHeldBytes?: number;
  /** A connection was closed or refused because there were too many. */
  onRefused(): void;
}

/** One connection. It waits for a request, reads it and works on it, then waits again. */
export class OpenSocket {
  /** Bytes of its request in memory. */
  held = 0;

  constructor(
    private readonly sockets: OpenSockets,
    readonly address: string,
    readonly close: () => void,
  ) {}

  /** From now on it waits for a request, or for its client to leave. */
  wait(): void {
    this.sockets.wait(this);
  }

  /** `bytes` of its request are in memory, with more to come. */
  hold(bytes: number): void {
    this.sockets.hold(this, bytes);
  }

  /** Its request has been read to the end. */
  work(): void {
    this.sockets.work(this);
  }

  leave(): void {
    this.sockets.leave(this);
  }
}

/**
 * An attacker opens many connections and sends no request, or only a part of one. So if there is no
 * room, the connection that has been without a complete request for longest is closed for the new
 * one.
 */
export class OpenSockets {
  readonly #all = new Set<OpenSocket>();
  readonly #byAddress = new Map<string, Set<OpenSocket>>();
  /** Connections without a complete request, oldest first. */
  readonly #waiting = new Set<OpenSocket>();
  /** Those of the waiting connections that hold bytes. */
  readonly #reading = new Set<OpenSocket>();
  #heldBytes = 0;

  constructor(private readonly options: OpenSocketsOptions) {}

  get size(): number {
    return this.#all.size;
  }

  /** Undefined if there is no room. */
  enter(address: string, close: () => void): OpenSocket | undefined {
    const { max, maxPerAddress = Infinity } = this.options;
    const own = this.#byAddress.get(address) ?? new Set();
    const room = (own.size < maxPerAddress || this.#evict(own)) &&
      (this.#all.size < max || this.#evict(this.#waiting));
    if (!room) {
      this.options.onRefused();
      return undefined;
    }
    const socket = new OpenSocket(this, address, close);
    this.#all.add(socket);
    this.#byAddress.set(address, own.add(socket));
    this.#waiting.add(socket);
    return socket;
  }

  wait(socket: OpenSocket): void {
    if (!this.#all.has(socket)) return;
    this.work(socket);
    this.#setHeld(socket, 0);
    this.#waiting.add(socket);
  }

  hold(socket: OpenSocket, bytes: number): void {
    if (!this.#waiting.has(socket)) return;
    this.#setHeld(socket, bytes);
    if (bytes > 0) this.#reading.add(socket);
    // This closes the socket itself if all others are working.
    const { maxHeldBytes = Infinity } = this.options;
    while (this.#heldBytes > maxHeldBytes && this.#evict(this.#reading));
  }

  work(socket: OpenSocket): void {
    this.#waiting.delete(socket);
    this.#reading.delete(socket);
  }

  leave(socket: OpenSocket): void {
    if (!this.#all.delete(socket)) return;
    this.work(socket);
    this.#setHeld(socket, 0);
    const own = this.#byAddress.get(socket.address)!;
    own.delete(socket);
    if (own.size === 0) this.#byAddress.delete(socket.address);
  }

  /** Closes all waiting connections. */
  closeWaiting(): void {
    for (const socket of [...this.#waiting]) this.#close(socket);
  }

  #setHeld(socket: OpenSocket, bytes: number): void {
    this.#heldBytes += bytes - socket.held;
    socket.held = bytes;
  }

  /** Closes the one that has waited longest; false if none waits. */
  #evict(sockets: ReadonlySet<OpenSocket>): boolean {
    for (const socket of sockets) {
      if (!this.#waiting.has(socket)) continue;
      this.options.onRefused();
      this.#close(socket);
      return true;
    }
    return false;
  }

  #close(socket: OpenSocket): void {
    this.leave(socket);
    socket.close();
  }
}
