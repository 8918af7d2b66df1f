/** Checks whether bytes that arrive in pieces are still valid UTF-8 (RFC 3629, 4). */

/** First bytes of a character whose second byte has a narrower range, with that range. */
const SECOND: Readonly<Record<number, readonly [min: number, max: number]>> = {
  0xe0: [0xa0, 0xbf],
  0xed: [0x80, 0x9f],
  0xf0: [0x90, 0xbf],
  0xf4: [0x80, 0x8f],
};

export class Utf8Check {
  /** Bytes that the character still needs, and the range of the next one. */
  #left = 0;
  #min = 0x80;
  #max = 0xbf;

  /** False at the first invalid byte; the check cannot be used afterwards. */
  push(bytes: Uint8Array): boolean {
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i]!;
      if (byte < 0x80 && this.#left === 0) continue;
      if (!this.#take(byte)) return false;
    }
    return true;
  }

  #take(byte: number): boolean {
    if (this.#left > 0) {
      if (byte < this.#min || byte > this.#max) return false;
      this.#left--;
      this.#min = 0x80;
      this.#max = 0xbf;
      return true;
    }
    if (byte < 0xc2 || byte > 0xf4) return false;
    this.#left = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    const second = SECOND[byte];
    if (second) [this.#min, this.#max] = second;
    return true;
  }
}
