/** The oracle of one client: knows the log, and what the client was sent. */

import { Interest } from "../../broker/messages/interest.ts";
import { parseCursor } from "../../broker/messages/message.ts";
import type { Received } from "../kit/received.ts";
import { MAX_RATE, type Mode, type Seen, type SentCommand, type Start } from "./asked.ts";
import { ExpectedDevice } from "./expected_device.ts";
import { DEVICES, type Site } from "./site.ts";

export class Expectation {
  interest: Interest;
  /** Cursor of the last event that had one. */
  lastId: string | undefined;
  readonly #devices = new Map(DEVICES.map((id) => [id, new ExpectedDevice()]));
  #commands: SentCommand[] = [];
  #replaying: SentCommand | undefined;
  #start: Start | undefined;
  #hasResumed = false;
  /** A client whose cursor is `none` is not also told that its snapshot took very long. */
  #mayMissGone = false;
  #lastOffset = 0;
  #messages = 0;

  constructor(private readonly site: Site, readonly mode: Mode, deviceIds: string) {
    this.interest = Interest.parse([deviceIds], 10);
  }

  /** Whether everything requested at the start has arrived, as far as one can tell. */
  get #isBegun(): boolean {
    return this.#start?.cursor === undefined || this.#hasResumed;
  }

  get #isExact(): boolean {
    return this.mode === "all" || this.mode === "batch";
  }

  /** A connection begins. */
  connected(start: Start): void {
    const wasCut = this.#start?.cursor !== undefined && !this.#hasResumed;
    this.#start = start;
    this.#hasResumed = this.#mayMissGone = false;
    this.#commands = [];
    this.#replaying = undefined;
    const offset = start.cursor === undefined ? start.position : this.#valid(start.cursor);
    this.#lastOffset = offset ?? 0;
    this.#messages = 0;
    for (const [id, device] of this.#wanted()) {
      const isCutReplay = device.replay !== undefined;
      if (this.#isExact && start.cursor !== undefined && offset !== undefined && !isCutReplay) {
        // A replay that was cut before its end has not reported what is gone.
        this.#settle(id, device, offset, wasCut);
      }
      for (const again of device.withoutId) {
        if (again > (offset ?? 0)) device.seen.delete(again);
      }
      device.withoutId = [];
      device.from = offset;
      device.replay = undefined;
      device.hasSnapshot = start.snapshot;
      device.isInexact = false;
      device.last = device.told = device.snapshot = 0;
      device.sentAt = -Infinity;
    }
  }

  sent(command: SentCommand): void {
    this.#commands.push(command);
  }

  /** The position at the start of a stream without a cursor: a block with only an id. */
  positioned(id: string): void {
    this.#check(
      this.#start!.cursor === undefined && this.#valid(id) === this.#start!.position,
      () => `the first block has ${id}, but the stream began at ${this.#start!.position}`,
    );
    this.lastId = id;
  }

  saw(event: Seen): void {
    // Before a cursor is checked, a ping or a goodbye returns it unchanged.
    const isEcho = event.id !== undefined && event.id === this.#start!.cursor;
    if (isEcho && !this.#hasResumed && ["ping", "goodbye"].includes(event.event)) return;
    const offset = event.id === undefined ? undefined : this.#valid(event.id);
    const least = this.#lastOffset + (event.event === "message" && this.#isExact ? 1 : 0);
    this.#check(
      event.id === undefined || (offset !== undefined && offset >= least),
      () => `the id of ${show(event)} is invalid or below ${this.#lastOffset}`,
    );
    this.#lastOffset = offset ?? this.#lastOffset;
    this.lastId = event.id ?? this.lastId;
    switch (event.event) {
      case "message":
        return this.#message(event, offset);
      case "batch":
        this.#check(this.mode === "batch", () => "a batch that was not requested");
        for (const { data, id } of JSON.parse(event.data)) {
          this.saw({ ...event, event: "message", data: JSON.stringify(data), id });
        }
        return;
      case "snapshot":
        return this.#snapshot(event);
      case "resumed":
        return this.#resumed(event, offset);
      case "dropped": {
        const { device_id, count } = JSON.parse(event.data);
        this.#check(this.#isExact && count > 0, () => `unexpected: ${show(event)}`);
        this.#devices.get(device_id)!.told += count;
        return;
      }
      case "subscribed":
        return this.#subscribed(event);
      case "ping":
      case "goodbye":
        // Nothing up to the position that it claims is missing.
        if (offset === undefined || !this.#isExact || !this.#isBegun) return;
        for (const [id, device] of this.#wanted()) this.#checkNothingMissing(id, device, offset);
        return;
      default:
        this.#check(false, () => `unexpected: ${show(event)}`);
    }
  }

  /** Whether everything that must arrive has arrived. */
  get isComplete(): boolean {
    return this.#isBegun && this.#wanted().every(([id, device]) => {
      if (device.from === undefined || device.replay !== undefined) return false;
      if (this.#isExact) return this.#missing(id, device, this.site.head).length <= device.told;
      const newest = this.site.offsets(id, device.from, this.site.head).at(-1);
      return newest === undefined || device.seen.has(newest) ||
        (this.#mayMissGone && newest < this.site.floor);
    });
  }

  /** Nothing more is sent: what is still missing is lost. */
  checkEnd(): void {
    const { head } = this.site;
    this.#check(this.isComplete, () => `incomplete at ${head}: ${this}`);
    for (const [id, device] of this.#wanted()) {
      if (this.#isExact) {
        const missing = this.#missing(id, device, head);
        this.#check(
          device.isInexact || this.#mayMissGone || missing.length === device.told,
          () => `${missing} of ${id} are missing, but ${device.told} were reported as dropped`,
        );
      }
      const newest = this.site.offsets(id, 0, head).at(-1);
      this.#check(
        !device.hasSnapshot || device.told > 0 || newest === undefined || device.newest === newest,
        () => `has ${device.newest} as the newest of ${id} instead of ${newest}`,
      );
    }
  }

  toString(): string {
    const devices = this.#wanted().map(([id, { from, seen, told }]) =>
      `${id} after ${from}: ${[...seen].slice(-8)}, told ${told}`
    );
    return `${this.mode} ${this.interest.items} begun ${this.#isBegun}; ${devices.join("; ")}`;
  }

  #message(event: Seen, id: number | undefined): void {
    const offset = this.site.offsetOf(event.data);
    const deviceId = JSON.parse(event.data).device_id as string;
    const device = this.#devices.get(deviceId)!;
    if (offset === undefined) return this.#check(false, () => `${show(event)} is not in the log`);
    this.#check(this.interest.matches(deviceId), () => `${show(event)} was not asked for`);
    this.#messages++;
    if (event.id === undefined && device.replay) return this.#replayed(device, offset);
    this.#check(
      id !== undefined && (this.#isExact ? id === offset : id <= offset),
      () => `${show(event)} has the position ${id}, but is at ${offset}`,
    );
    this.#check(
      offset > device.last && offset > (device.from ?? 0),
      () => `${offset} of ${deviceId} comes after ${device.last}, and ${device.from} was known`,
    );
    this.#check(
      !this.#isExact || !device.seen.has(offset),
      () => `${offset} of ${deviceId} comes again`,
    );
    const sinceMs = event.sentAt - device.sentAt;
    this.#check(
      this.mode !== "rate" || sinceMs > 1000 / MAX_RATE - 10,
      () => `${offset} of ${deviceId} comes ${sinceMs} ms after the previous one`,
    );
    device.sentAt = event.sentAt;
    device.last = offset;
    device.seen.add(offset);
  }

  #replayed({ replay, from }: ExpectedDevice, offset: number): void {
    const last = replay!.at(-1) ?? from!;
    this.#check(offset > last, () => `a replay sends ${offset} after ${last}`);
    replay!.push(offset);
  }

  #snapshot(event: Seen): void {
    const offset = this.site.offsetOf(event.data)!;
    const { device_id } = JSON.parse(event.data);
    const device = this.#devices.get(device_id)!;
    const isFirst = !this.#hasResumed && this.#messages === 0;
    const upTo = isFirst ? this.#start!.position : event.position;
    this.#check(
      event.id === undefined && this.interest.matches(device_id) &&
        (!isFirst || this.site.offsets(device_id, 0, upTo).at(-1) === offset),
      () => `a snapshot at ${upTo} contains ${show(event)}, at ${offset}`,
    );
    device.snapshot = Math.max(device.snapshot, offset);
  }

  #resumed(event: Seen, offset: number | undefined): void {
    const { status, replayed } = JSON.parse(event.data);
    const isOfCommand = this.#replaying !== undefined;
    const cursor = isOfCommand ? this.#replaying!.since! : this.#start!.cursor;
    const position = offset ?? event.position;
    const since = cursor === undefined ? this.#start!.position : this.#valid(cursor);
    this.#check(
      (status === "none") === (since === undefined) && ["none", "full", "partial"].includes(status),
      () => `${status} for ${cursor}`,
    );
    this.#check(
      status !== "partial" || this.site.floor > since! + 1,
      () => `partial after ${since}, but the floor is ${this.site.floor}`,
    );
    this.#check(offset !== undefined, () => `${show(event)}: it must have a position`);
    if (isOfCommand) return this.#commandResumed(status, event.position);
    this.#check(
      !this.#hasResumed && replayed === this.#messages &&
        (cursor !== undefined || (this.#start!.snapshot && status === "partial")),
      () => `${show(event)} after ${this.#messages} messages, cursor ${cursor}`,
    );
    this.#hasResumed = true;
    this.#mayMissGone = status === "none" && this.#start!.snapshot;
    for (const [id, device] of this.#wanted()) {
      device.from ??= position;
      if (status === "none") continue;
      if (this.#isExact) this.#settle(id, device, position, status === "partial");
      else this.#checkNewest(id, device, position, status === "partial");
      device.from = position;
    }
  }

  #commandResumed(status: string, position: number): void {
    for (const [id, device] of this.#wanted()) {
      if (!device.replay) continue;
      if (status === "none") device.from = position;
      else {
        const replay = new Set(device.replay);
        const missing = this.site.offsets(id, device.from!, position)
          .filter((offset) => !replay.has(offset));
        this.#checkMissing(id, missing, status === "partial" ? Infinity : 0);
        for (const offset of replay) device.seen.add(offset);
        device.withoutId.push(...replay);
        device.from = device.last = position;
      }
      device.replay = undefined;
    }
    this.#replaying = undefined;
  }

  #subscribed(event: Seen): void {
    const command = this.#commands.shift();
    if (!command) return this.#check(false, () => `an answer without a command: ${show(event)}`);
    const before = this.interest;
    const named = Interest.parse(command.deviceIds, 10);
    this.interest = command.action === "subscribe" ? before.with(named, 10) : before.without(named);
    this.#check(
      event.data === JSON.stringify({ device_ids: this.interest.items }),
      () => `${show(event)} instead of ${this.interest.items}`,
    );
    if (command.since !== undefined) this.#replaying = command;
    for (const [id, device] of this.#wanted()) {
      if (command.since !== undefined && named.matches(id)) {
        device.isInexact = true;
        const since = this.#valid(command.since);
        // An invalid cursor gives the stream no new position.
        if (since === undefined && before.matches(id)) continue;
        device.from = since;
        device.replay = [];
        device.hasSnapshot &&= before.matches(id);
      } else if (!before.matches(id)) {
        device.from = device.last = event.position;
        device.told = 0;
        device.hasSnapshot = false;
      }
    }
    for (const [id, device] of this.#devices) {
      if (!this.interest.matches(id)) device.replay = undefined;
    }
  }

  #wanted(): [string, ExpectedDevice][] {
    return [...this.#devices].filter(([id]) => this.interest.matches(id));
  }

  #missing(id: string, { from, seen }: ExpectedDevice, upTo: number): number[] {
    if (from === undefined) return [];
    return this.site.offsets(id, from, upTo).filter((offset) =>
      !seen.has(offset) && !(this.#mayMissGone && offset < this.site.floor)
    );
  }

  #checkNothingMissing(id: string, device: ExpectedDevice, upTo: number): void {
    if (device.replay) return;
    this.#checkMissing(id, this.#missing(id, device, upTo), device.told);
  }

  /** Everything up to here is correct; from now on, only later messages count. */
  #settle(id: string, device: ExpectedDevice, upTo: number, isPartial = false): void {
    this.#checkMissing(id, this.#missing(id, device, upTo), isPartial ? Infinity : device.told);
    device.from = upTo;
  }

  /** Checks a replay with mode=latest: the newest message of each device has arrived. */
  #checkNewest(id: string, device: ExpectedDevice, upTo: number, isPartial: boolean): void {
    const newest = this.site.offsets(id, device.from!, upTo).at(-1);
    if (newest !== undefined && !device.seen.has(newest)) {
      this.#checkMissing(id, [newest], isPartial ? Infinity : 0);
    }
  }

  /**
   * At most `allowed` messages may be missing; if part of the replay is reported as gone, only
   * those below the floor.
   */
  #checkMissing(id: string, missing: readonly number[], allowed: number): void {
    const lost = allowed === Infinity
      ? missing.filter((offset) => offset >= this.site.floor)
      : missing.slice(0, missing.length > allowed ? undefined : 0);
    this.#check(lost.length === 0, () => `${lost} of ${id} are missing, floor ${this.site.floor}`);
  }

  /** The offset of a cursor of this log; undefined if the cursor is not one. */
  #valid(cursor: string): number | undefined {
    const position = parseCursor(cursor);
    if (position?.epoch !== this.site.epoch.id) return undefined;
    return position.offset <= this.site.storedHead ? position.offset : undefined;
  }

  #check(holds: boolean, what: () => string): void {
    this.site.findings.check(holds, what);
  }
}

function show({ event, data, id }: Received): string {
  return `${event} ${data} ${id ?? "without id"}`;
}
