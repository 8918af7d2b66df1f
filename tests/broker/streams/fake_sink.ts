/** A sink that records what is written, and whose room a test sets. */

import type { Publication } from "../../../broker/messages/message.ts";
import { Epoch, Publication as Published } from "../../../broker/messages/message.ts";
import type { Sink } from "../../../broker/streams/sink.ts";

export const EPOCH: Epoch = Epoch.random();

/** A publication whose payload is its offset, or text of a given length. */
export function publication(deviceId: string, offset: number, chars?: number): Publication {
  const payload = chars === undefined ? String(offset) : `"${"x".repeat(chars - 2)}"`;
  return new Published(EPOCH, offset, deviceId, payload, false, Date.now());
}

export class FakeSink implements Sink {
  /** Messages as `device:offset`, a batch in brackets, events as `name data`. */
  readonly written: string[] = [];
  readonly ids: (string | undefined)[] = [];
  comments = 0;
  closed: { code: number; reason: string } | undefined;
  buffered = 0;
  taken = 0;
  abandoned = false;
  /** Number of messages that the socket still takes before it is full. */
  room = Infinity;
  /** Number of checks whether it is full. */
  looks = 0;
  /** Number of writes of several events. */
  writes = 0;
  /** Called back when the socket takes bytes. */
  readonly takers: (() => void)[] = [];

  constructor(readonly transport: "ws" | "sse" = "ws") {}

  get full(): boolean {
    this.looks++;
    return this.room <= 0;
  }

  whenTaken(callback: () => void): boolean {
    this.takers.push(callback);
    return true;
  }

  /** The client reads what is buffered, and has room for more. */
  read(room = Infinity): void {
    this.buffered = 0;
    this.room = room;
    for (const taker of this.takers.splice(0)) taker();
  }

  open(position: string | undefined): void {
    this.written.push("open");
    this.ids.push(position);
  }

  write(publications: readonly Publication[]): number {
    const count = Math.max(0, Math.min(publications.length, this.room));
    for (const { deviceId, offset } of publications.slice(0, count)) {
      this.written.push(`${deviceId}:${offset}`);
    }
    this.room -= count;
    return count;
  }

  writeBatch(publications: readonly Publication[]): number {
    if (this.full) return 0;
    const items = publications.map(({ deviceId, offset }) => `${deviceId}:${offset}`);
    this.written.push(`[${items.join(" ")}]`);
    this.room--;
    return publications.length;
  }

  items(items: readonly { payload: string; id: string }[], asBatch: boolean): void {
    const payloads = items.map(({ payload }) => payload);
    if (asBatch) this.written.push(`[${payloads.join(" ")}]`);
    else this.written.push(...payloads);
    this.ids.push(...items.map(({ id }) => id));
    this.room -= items.length;
  }

  event(name: string, data: string, id?: string): void {
    this.written.push(`${name} ${data}`);
    this.ids.push(id);
  }

  events(name: string, data: readonly string[]): void {
    this.writes++;
    for (const text of data) this.written.push(`${name} ${text}`);
  }

  comment(): void {
    this.comments++;
  }

  close(code: number, reason: string): void {
    this.closed = { code, reason };
  }

  abandon(): void {
    this.abandoned = true;
  }

  /** What was written since the last call. */
  take(): string[] {
    return this.written.splice(0);
  }
}

/** A sink that records payloads and ids, in whichever way messages are written. */
export class ItemSink extends FakeSink {
  override write(publications: readonly Publication[]): number {
    this.items(publications.map(itemOf), false);
    return publications.length;
  }

  override writeBatch(publications: readonly Publication[]): number {
    this.items(publications.map(itemOf), true);
    return publications.length;
  }
}

const itemOf = ({ payload, cursor }: Publication) => ({ payload, id: cursor });
