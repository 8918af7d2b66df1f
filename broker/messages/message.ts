/** What a device sent, from the moment it was checked until a client reads it. */

import type { InboundMessage } from "./inbound_message.ts";

/** A checked message that has no position in the log yet. */
export interface Message {
  /** The device's id: 1 to 128 characters, well-formed, trimmed. */
  readonly deviceId: string;
  /** JSON text exactly as the device sent it, less its insignificant line breaks. */
  readonly payload: string;
  /** The payload's own `uuid`, where it has one: what tells a repeat from a new message. */
  readonly uuid?: string | undefined;
  /**
   * Fingerprint of the payload's UTF-8, where it has a uuid and this is known already. The uuid
   * itself may be left out then.
   */
  readonly fingerprint?: number | undefined;
}

/** Only a message with a uuid can be known as a repeat. */
export function hasUuid({ uuid, fingerprint }: Message): boolean {
  return fingerprint !== undefined || uuid !== undefined;
}

/** Work that has to be done once because of a message; written in the commit of that message. */
export interface Job {
  /** Jobs of one partition run one after another, in the order of their messages. */
  readonly partition: string;
  /** JSON of what has to be done. */
  readonly body: string;
  /** The company that the message names. */
  readonly company?: string | undefined;
}

/** How far a partition of an upstream log was read; written in the commit of its messages. */
export interface SourceOffset {
  /** Names the upstream partition, e.g. `["kafka", group, topic, partition]`. */
  readonly key: readonly string[];
  /** Offset of the upstream record; a record at or below the stored source offset is a repeat. */
  readonly offset: number;
}

/** A message with what must be stored together with it. */
export interface Entry extends Message {
  readonly job?: Job | undefined;
  readonly sourceOffset?: SourceOffset | undefined;
  /** Not of a device but from a person: it becomes work, and is in no stream. */
  readonly inbound?: InboundMessage | undefined;
}

/** One life of a log: offsets of different epochs cannot be compared. */
export class Epoch {
  readonly #seed: number;

  constructor(readonly id: string) {
    this.#seed = fnv1a(id, 0x811c9dc5);
  }

  static random(): Epoch {
    const bytes = crypto.getRandomValues(new Uint8Array(5));
    return new Epoch(Array.from(bytes, (byte) => byte.toString(36).padStart(2, "0")).join(""));
  }

  /** The position `offset` as clients see it: opaque, checked, at most 64 characters. */
  cursor(offset: number): string {
    const place = offset.toString(36);
    return `${this.id}-${place}-${fnv1a(place, this.#seed).toString(36)}`;
  }
}

/** A position in a log, as {@linkcode parseCursor} found it. */
export interface Position {
  readonly epoch: string;
  /** Offset of the last message that was seen; 0 is the position before the first. */
  readonly offset: number;
}

const MAX_CURSOR_CHARS = 64;

/** The position that a cursor names, or undefined where it is none of ours. */
export function parseCursor(cursor: string): Position | undefined {
  if (cursor.length > MAX_CURSOR_CHARS) return undefined;
  const parts = /^([0-9a-z]+)-([0-9a-z]+)-[0-9a-z]+$/.exec(cursor);
  if (!parts) return undefined;
  const epoch = parts[1]!;
  const offset = parseInt(parts[2]!, 36);
  if (!Number.isSafeInteger(offset) || new Epoch(epoch).cursor(offset) !== cursor) return undefined;
  return { epoch, offset };
}

function fnv1a(text: string, hash: number): number {
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}

/**
 * A message with its place in the log. Publications of one device know their predecessors, so that
 * a resume costs what it replays and not what the log holds.
 */
export class Publication {
  /** Offset of the one before it of the same device; 0 where there was none in the recent log. */
  previous = 0;
  /** Fingerprint of the payload's UTF-8, where it is known; of use with a uuid alone. */
  fingerprint: number | undefined;
  /** Frames built for clients; kept only while the publication is on its way out. */
  wsFrame: string | undefined;
  wsBytes: Uint8Array | undefined;
  sseFrame: Uint8Array | undefined;

  constructor(
    readonly epoch: Epoch,
    /** Position in the log, from 1, dense. */
    readonly offset: number,
    readonly deviceId: string,
    readonly payload: string,
    /** Only a message with a uuid can be known as a repeat. */
    readonly hasUuid: boolean,
    /** When it was appended, in milliseconds since 1970, by the clock of the writer. */
    readonly time: number,
  ) {}

  get cursor(): string {
    return this.epoch.cursor(this.offset);
  }
}
