/** The window in which repeats are found. */

import { fingerprintOf } from "./fingerprint.ts";
import { hasUuid, type Message, type Publication } from "./message.ts";

/** More messages with one fingerprint are no accident; the oldest of them are forgotten. */
const MAX_ALIKE = 16;

/** Recent publications that have a uuid, by the fingerprint of their payload. */
export class Repeats {
  /** The newest with each fingerprint; older ones hang on it. */
  readonly #newest = new Map<number, Publication>();

  /** The publication that `message` repeats: same device, same bytes, and it has a uuid. */
  find(message: Message): Publication | undefined {
    if (!hasUuid(message)) return undefined;
    let found = this.#newest.get(printOf(message));
    while (found && !isSame(found, message)) found = found.alike;
    return found;
  }

  add(publication: Publication): void {
    if (!publication.hasUuid) return;
    const print = publication.print = printOf(publication);
    const alike = this.#newest.get(print);
    if (alike) {
      publication.alike = alike;
      cut(publication);
    }
    this.#newest.set(print, publication);
  }

  /** Forgets the oldest publication. */
  delete(oldest: Publication): void {
    if (!oldest.hasUuid) return;
    let one = this.#newest.get(oldest.print!);
    if (one === oldest) this.#newest.delete(oldest.print!);
    while (one && one.alike !== oldest) one = one.alike;
    if (one) one.alike = undefined;
  }
}

export function printOf(message: { payload: string; print?: number | undefined }): number {
  return message.print ?? fingerprintOf(message.payload);
}

export function isSame(a: { deviceId: string; payload: string }, b: typeof a): boolean {
  return a.deviceId === b.deviceId && a.payload === b.payload;
}

function cut(newest: Publication): void {
  let last = newest;
  for (let count = 1; count < MAX_ALIKE && last.alike; count++) last = last.alike;
  last.alike = undefined;
}
