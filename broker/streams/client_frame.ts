/** Messages and events as clients read them, on WebSocket and as Server-Sent Events. */

import { concat } from "../../lib/bytes.ts";
import { utf8 } from "../../lib/utf8.ts";
import { textFrame } from "./websocket_frame.ts";
import type { Publication } from "../messages/message.ts";

/** A message as a WebSocket text frame, built once for all clients. */
export function wsMessage(publication: Publication): string {
  return publication.wsFrame ??=
    `{"event":"message","data":${publication.payload},"id":"${publication.cursor}"}`;
}

/** The same frame as bytes, for sockets that take several frames in one write. */
export function wsMessageFrame(publication: Publication): Uint8Array {
  return publication.wsBytes ??= textFrame(wsMessage(publication));
}

/** A message as a Server-Sent Event, built once for all clients. */
export function sseMessage(publication: Publication): Uint8Array {
  return publication.sseFrame ??= utf8(
    `id: ${publication.cursor}\nevent: message\ndata: ${publication.payload}\n\n`,
  );
}

/** An event with JSON text as its data; `id` is set if the event moves the client's position. */
export function wsEvent(event: string, data: string, id?: string): string {
  return `{"event":"${event}","data":${data}${id === undefined ? "" : `,"id":"${id}"`}}`;
}

/** Events with the same name, as concatenated text frames. */
export function wsEventFrames(event: string, data: readonly string[]): Uint8Array {
  return concat(data.map((text) => textFrame(wsEvent(event, text))));
}

/** Several messages with their positions, in one WebSocket text frame. */
export function wsBatch(items: readonly { payload: string; id: string }[]): string {
  const data = items.map(({ payload, id }) => `{"data":${payload},"id":"${id}"}`).join(",");
  return `{"event":"batch","data":[${data}]}`;
}

export function sseEvent(event: string, data: string, id?: string): Uint8Array {
  return utf8(sseText(event, data, id));
}

/** Events with the same name, in one chunk. */
export function sseEvents(event: string, data: readonly string[]): Uint8Array {
  return utf8(data.map((text) => sseText(event, text)).join(""));
}

function sseText(event: string, data: string, id?: string): string {
  const position = id === undefined ? "" : `id: ${id}\n`;
  return `${position}event: ${event}\ndata: ${data}\n\n`;
}

/** The data of a `ping`. */
export const KEEP_ALIVE = '{"type":"keep-alive"}';

/**
 * The first bytes of a stream. With a position they are a block that sets the cursor of a client that
 * has received nothing yet; without one, a line of the next block: several parsers deliver a block
 * without data as an empty message.
 */
export function sseStart(position: string | undefined): Uint8Array {
  const ping = position === undefined ? "" : sseText("ping", KEEP_ALIVE, position);
  return utf8(`retry: 3000\n${ping}`);
}

/** A line of the next block, for the same reason. */
export const SSE_COMMENT = utf8(": keep-alive\n");

/** Drops the cached frames of publications that were written, so that memory holds them once. */
export function forgetFrames(publications: readonly Publication[]): void {
  for (const publication of publications) {
    publication.wsFrame = undefined;
    publication.wsBytes = undefined;
    publication.sseFrame = undefined;
  }
}

/** What frames of replays may take of memory. */
const MAX_KEPT_BYTES = 16_777_216;
/** A frame as text and as bytes, and the objects around it. */
const keptBytes = ({ payload }: Publication) => 2 * payload.length + 500;

/**
 * Keeps the cached frames of publications that were replayed, up to a limit and for a second or two:
 * clients that come back together are sent the same messages.
 */
class ReplayedFrames {
  /** Oldest first. */
  readonly #kept = new Set<Publication>();
  #bytes = 0;
  #isUsed = false;

  keep(publications: readonly Publication[]): void {
    for (const publication of publications) {
      if (this.#kept.has(publication)) continue;
      this.#kept.add(publication);
      this.#bytes += keptBytes(publication);
    }
    for (const oldest of this.#kept) {
      if (this.#bytes <= MAX_KEPT_BYTES) break;
      this.#kept.delete(oldest);
      this.#bytes -= keptBytes(oldest);
      forgetFrames([oldest]);
    }
    this.#isUsed = true;
  }

  /** To be called every second: drops all of them once nothing was replayed for a second. */
  sweep(): void {
    if (!this.#isUsed) {
      forgetFrames([...this.#kept]);
      this.#kept.clear();
      this.#bytes = 0;
    }
    this.#isUsed = false;
  }
}

/** Of all sessions of this thread. */
export const replayedFrames: ReplayedFrames = new ReplayedFrames();

/**
 * Joins the events that a client gets in one turn into one chunk or one frame, and shares the bytes
 * between clients that get the same events. Lives for one turn.
 */
export class JoinedEvents {
  readonly #made = new Map<number, Joined[]>();
  readonly #others = new Map<string, OtherEvents[]>();

  /** Server-Sent Events in one chunk; clients parse them like separate ones. */
  of(publications: readonly Publication[]): Uint8Array {
    if (publications.length === 1) return sseMessage(publications[0]!);
    const joined = this.#same(publications);
    return joined.events ??= concat(publications.map(sseMessage));
  }

  /** Concatenated text frames. */
  framesOf(publications: readonly Publication[]): Uint8Array {
    if (publications.length === 1) return wsMessageFrame(publications[0]!);
    const joined = this.#same(publications);
    return joined.frames ??= concat(publications.map(wsMessageFrame));
  }

  /** A `batch` frame. */
  batchOf(publications: readonly Publication[]): string {
    const joined = this.#same(publications);
    return joined.batch ??= wsBatch(
      publications.map(({ payload, cursor }) => ({ payload, id: cursor })),
    );
  }

  /** The same `batch` frame as bytes. */
  batchFrameOf(publications: readonly Publication[]): Uint8Array {
    return this.#same(publications).batchFrame ??= textFrame(this.batchOf(publications));
  }

  /** Other events with the same name, in one chunk. */
  eventsOf(name: string, data: readonly string[]): Uint8Array {
    return this.#sameEvents(name, data).events ??= sseEvents(name, data);
  }

  /** The same events as concatenated text frames. */
  eventFramesOf(name: string, data: readonly string[]): Uint8Array {
    return this.#sameEvents(name, data).frames ??= wsEventFrames(name, data);
  }

  #sameEvents(name: string, data: readonly string[]): OtherEvents {
    const key = `${name} ${data.length} ${data[0]}`;
    const made = this.#others.get(key);
    const same = made?.find((one) => equal(one.data, data));
    if (same) return same;
    const other: OtherEvents = { data: [...data] };
    if (made) made.push(other);
    else this.#others.set(key, [other]);
    return other;
  }

  #same(publications: readonly Publication[]): Joined {
    const key = publications[0]!.offset * 4096 + (publications.length & 4095);
    const made = this.#made.get(key);
    const same = made?.find((joined) => equal(joined.publications, publications));
    if (same) return same;
    const joined: Joined = { publications: [...publications] };
    if (made) made.push(joined);
    else this.#made.set(key, [joined]);
    return joined;
  }
}

interface Joined {
  readonly publications: readonly Publication[];
  events?: Uint8Array;
  frames?: Uint8Array;
  batch?: string;
  batchFrame?: Uint8Array;
}

interface OtherEvents {
  readonly data: readonly string[];
  events?: Uint8Array;
  frames?: Uint8Array;
}

function equal<T>(a: readonly T[], b: readonly T[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
