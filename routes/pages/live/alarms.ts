import type { Alarm } from "./fleet/reading.ts";
import type { Vehicle } from "./fleet/vehicle.ts";

const MAX_ALARMS = 200;

export interface AlarmEntry {
  readonly alarm: Alarm;
  /** Undefined if the message names no device. */
  readonly vehicle: Vehicle | undefined;
  /** When it arrived, in ms since 1970. */
  readonly at: number;
  seen: boolean;
}

/** The newest alarms, newest first, and which of them are unseen. */
export class Alarms {
  readonly entries: AlarmEntry[] = [];
  /** Counts changes. */
  version = 0;

  get unseen(): number {
    return this.entries.reduce((count, { seen }) => count + (seen ? 0 : 1), 0);
  }

  /** The newest unseen critical alarm. */
  get urgent(): AlarmEntry | undefined {
    return this.entries.find(({ seen, alarm }) => !seen && alarm.level === "critical");
  }

  add(alarm: Alarm, vehicle: Vehicle | undefined, at: number, { seen = false } = {}): void {
    const entry = { alarm, vehicle, at, seen };
    const older = this.entries.findIndex((other) => other.at <= at);
    this.entries.splice(older < 0 ? this.entries.length : older, 0, entry);
    if (vehicle && !seen) vehicle.unseenAlarms++;
    for (const gone of this.entries.splice(MAX_ALARMS)) this.#forget(gone);
    this.version++;
  }

  see(entry: AlarmEntry): void {
    this.#forget(entry);
    entry.seen = true;
    this.version++;
  }

  seeAll(): void {
    for (const entry of this.entries) this.see(entry);
  }

  #forget({ vehicle, seen }: AlarmEntry): void {
    if (vehicle && !seen) vehicle.unseenAlarms--;
  }
}
