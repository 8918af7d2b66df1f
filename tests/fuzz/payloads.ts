/** What a conformance case is made of. */

export function bytesOf(payload: string | Uint8Array): Uint8Array {
  return typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
}

/** Parses bytes such as "ce ba". */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(text.split(" "), (byte) => parseInt(byte, 16));
}

/** A text in frames of `size` bytes. */

export interface ConformanceCase {
  readonly id: string;
  readonly title: string;
  /** Frames, or the beginning of one. */
  readonly sent: readonly Uint8Array[];
  /** What is returned before the connection ends, as opcode and payload. */
  readonly echoed: readonly (readonly [opcode: number, payload: Uint8Array])[];
  /** The code with which the server closes; undefined if the client closes and gets 1000. */
  readonly closeCode: number | undefined;
}
