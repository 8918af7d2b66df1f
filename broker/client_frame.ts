/** Messages and events as clients read them, on WebSocket and as Server-Sent Events. */

import type { Publication } from "./message.ts";

const encoder = new TextEncoder();

/** A message as a WebSocket text frame; built once, whatever the number of clients. */
export function wsMessage(publication: Publication): string {
  return publication.wsFrame ??=
    `{"event":"message","data":${publication.payload},"id":"${publication.cursor}"}`;
}

/** A message as a Server-Sent Event; built once, whatever the number of clients. */
export function sseMessage(publication: Publication): Uint8Array {
  return publication.sseFrame ??= encoder.encode(
    `id: ${publication.cursor}\nevent: message\ndata: ${publication.payload}\n\n`,
  );
}

/** An event with JSON text as its data; `id` where it moves the client's position. */
export function wsEvent(event: string, data: string, id?: string): string {
  return `{"event":"${event}","data":${data}${id === undefined ? "" : `,"id":"${id}"`}}`;
}

export function sseEvent(event: string, data: string, id?: string): Uint8Array {
  const position = id === undefined ? "" : `id: ${id}\n`;
  return encoder.encode(`${position}event: ${event}\ndata: ${data}\n\n`);
}

/** A block that sets the position of a client that has seen nothing yet. */
export function ssePosition(id: string): Uint8Array {
  return encoder.encode(`id: ${id}\n\n`);
}

export const SSE_RETRY = encoder.encode("retry: 3000\n\n");
export const SSE_COMMENT = encoder.encode(": keep-alive\n\n");

/** Drops the frames of publications that are on their way, so that memory holds them once. */
export function forgetFrames(publications: readonly Publication[]): void {
  for (const publication of publications) {
    publication.wsFrame = undefined;
    publication.sseFrame = undefined;
  }
}

/**
 * Joins the events that one client gets in one turn into one chunk, and shares the chunk between
 * clients that get the same ones. Lives for one turn.
 */
export class JoinedEvents {
  readonly #made = new Map<number, { events: Publication[]; bytes: Uint8Array }[]>();

  of(publications: readonly Publication[]): Uint8Array {
    if (publications.length === 1) return sseMessage(publications[0]!);
    const key = publications[0]!.offset * 4096 + (publications.length & 4095);
    const made = this.#made.get(key);
    const same = made?.find(({ events }) => equal(events, publications));
    if (same) return same.bytes;
    const bytes = join(publications.map(sseMessage));
    const entry = { events: [...publications], bytes };
    if (made) made.push(entry);
    else this.#made.set(key, [entry]);
    return bytes;
  }
}

function equal(a: readonly Publication[], b: readonly Publication[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function join(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
