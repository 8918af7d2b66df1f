/** The client behind each connection that the guard forwards. */

/** An IPv6 address as text is at most 45 characters long; one byte holds its length. */
const STRIDE = 48;
const PORTS = 65_536;

/**
 * Client addresses by the port from which the guard connects on their behalf. They are in shared
 * memory, so an address is available before the first byte of its request.
 */
export class Peers {
  readonly #bytes: Uint8Array;

  constructor(readonly buffer = new SharedArrayBuffer(PORTS * STRIDE)) {
    this.#bytes = new Uint8Array(buffer);
  }

  /** Undefined if the connection is not the guard's. */
  get(port: number): string | undefined {
    const at = port * STRIDE;
    const length = this.#bytes[at]!;
    if (length === 0) return undefined;
    return String.fromCharCode(...this.#bytes.subarray(at + 1, at + 1 + length));
  }

  set(port: number, address: string): void {
    const at = port * STRIDE;
    const length = Math.min(address.length, STRIDE - 1);
    for (let i = 0; i < length; i++) this.#bytes[at + 1 + i] = address.charCodeAt(i);
    this.#bytes[at] = length;
  }

  delete(port: number): void {
    this.#bytes[port * STRIDE] = 0;
  }
}
