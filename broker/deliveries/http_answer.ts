/** Reads the responses of other services, which may be of any size. */

const EMPTY = new Uint8Array();

/** The start of a response body. */
export interface BodyStart {
  readonly text: string;
  /** False if the body is longer; the rest was not read. */
  readonly whole: boolean;
}

/**
 * Reads at most `maxBytes` of a body, after any decompression, and cancels the rest.
 * @throws what reading throws, e.g. if the connection breaks.
 */
export async function readStart(response: Response, maxBytes: number): Promise<BodyStart> {
  const reader = response.body?.getReader();
  if (!reader) return { text: "", whole: true };
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value = EMPTY } = await reader.read();
    const room = maxBytes - length;
    chunks.push(value.length > room ? value.subarray(0, room) : value);
    length += Math.min(value.length, room);
    const whole = done && value.length === 0;
    if (!whole && value.length <= room) continue;
    if (!whole) await reader.cancel().catch(() => {});
    return { text: new TextDecoder().decode(await new Blob(chunks as BlobPart[]).bytes()), whole };
  }
}

/** Discards a response body that nobody reads, because its connection would stay open. */
export async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {});
}
