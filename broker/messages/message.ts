/**
 * What a device sent, from its check until a client reads it.
 *
 * The messages room: the types that all of broker/ shares. It imports nothing but lib/.
 */

import type { InboundMessage } from "./inbound_message.ts";

/** A checked message that has no position in the log yet. */
export interface Message {
  /** The device's id: 1 to 128 characters, well-formed, trimmed. */
  readonly deviceId: string;
  /** JSON text exactly as the device sent it, without insignificant line breaks. */
  readonly payload: string;
  /** The payload's own `uuid`, if it has one: distinguishes a repeat from a new message. */
  readonly uuid?: string | undefined;
  /**
   * Fingerprint of the payload's UTF-8, if the payload has a uuid and this is known already. The
   * uuid itself may then be omitted.
   */
  readonly fingerprint?: number | undefined;
}

/** Only a message with a uuid can be recognized as a repeat. */
export function hasUuid({ uuid, fingerprint }: Message): boolean {
  return fingerprint !== undefined || uuid !== undefined;
}

/** Work to do once because of a message; written in the commit of that message. */
export interface Job {
  /** Jobs of one partition run one after another, in the order of their messages. */
  readonly partition: string;
  /** JSON that describes the work. */
  readonly body: string;
  /** The company that the message names. */
  readonly company?: string | undefined;
}

/** How far a partition of an upstream log was read; written in the commit of its messages. */
export interface SourceOffset {
  /** Identifies the upstream partition, e.g. `["kafka", group, topic, partition]`. */
  readonly key: readonly string[];
  /** Offset of the upstream record; a record at or below the stored source offset is a repeat. */
  readonly offset: number;
}

/** A message with what must be stored together with it. */
export interface Entry extends Message {
  readonly job?: Job | undefined;
  readonly sourceOffset?: SourceOffset | undefined;
  /** Set if the message is from a person, not a device: it becomes a job and is in no stream. */
  readonly inbound?: InboundMessage | undefined;
}

/** One lifetime of a log: offsets of different epochs cannot be compared. */
export class Epoch {
  readonly #seed: number;

  constructor(readonly id: string) {
    this.#seed = fnv1a(id, 0x811c9dc5);
  }

  static random(): Epoch {
    const bytes = crypto.getRandomValues(new Uint8Array(5));
    return new Epoch(Array.from(bytes, (byte) => byte.toString(36).padStart(2, "0")).join(""));
  }

  /** The cursor of `offset`, as clients see it: opaque, with a checksum, at most 64 characters. */
  cursor(offset: number): string {
    const place = offset.toString(36);
    return `${this.id}-${place}-${fnv1a(place, this.#seed).toString(36)}`;
  }
}

/** A position in a log, as parsed by {@linkcode parseCursor}. */
export interface Position {
  readonly epoch: string;
  /** Offset of the last message that was seen; 0 is the position before the first. */
  readonly offset: number;
}

const MAX_CURSOR_CHARS = 64;

/** The position that a cursor names, or undefined if the cursor is not one of ours. */
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
 * A message with its position in the log. Publications of one device link to their predecessors, so
 * that the cost of a resume depends on what it replays, not on the size of the log.
 */
export class Publication {
  /** Offset of the device's previous publication; 0 if the recent log had none. */
  previous = 0;
  /** Fingerprint of the payload's UTF-8, if it is known; used only with a uuid. */
  fingerprint: number | undefined;
  /** Frames built for clients; kept only while the publication is being sent. */
  wsFrame: string | undefined;
  wsBytes: Uint8Array | undefined;
  sseFrame: Uint8Array | undefined;

  constructor(
    readonly epoch: Epoch,
    /** Position in the log, from 1, without gaps. */
    readonly offset: number,
    readonly deviceId: string,
    readonly payload: string,
    /** Only a message with a uuid can be recognized as a repeat. */
    readonly hasUuid: boolean,
    /** When it was appended, in milliseconds since 1970, by the clock of the writer. */
    readonly time: number,
  ) {}

  get cursor(): string {
    return this.epoch.cursor(this.offset);
  }
}
