import { shortened, visible } from "../../shared/unseen.ts";
import { mergeReadings, type Reading } from "./reading.ts";
import { Track } from "./track.ts";

/** How a vehicle is shown. */
export type Motion = "moving" | "idling" | "parked" | "unknown" | "stale";

const MOVING_KMH = 2;
const LABEL_CHARACTERS = 28;
/** How long the marker takes from one position to the next. */
const GLIDE_MS = 700;
/** How long the ring of a new alarm pulses. */
const NEW_ALARM_MS = 60_000;

/** One device, with its last reading and where it has been. */
export class Vehicle {
  readonly id: string;
  /** The id as it is displayed. */
  readonly name: string;
  /** The name, shortened for the map. */
  readonly label: string;
  readonly track = new Track();
  reading: Reading | undefined;
  payload: unknown;
  /**
   * When the last message arrived, by this page's clock; for a snapshot, when the server got it.
   */
  seenAt: number | undefined;
  online = true;
  alarmAt = -Infinity;
  /** Alarms that are not marked as seen. */
  unseenAlarms = 0;
  /** Not hidden by the search or a filter. */
  shown = true;
  /** The stored messages are part of the track, or have been requested. */
  historyLoaded = false;
  /** Counts messages, so that views know whether they are up to date. */
  version = 0;
  /** Degrees, from the device or from its last movement. */
  heading = 0;
  x = NaN;
  y = NaN;
  #fromX = NaN;
  #fromY = NaN;
  #movedAt = -Infinity;

  constructor(id: string) {
    this.id = id;
    this.name = visible(id);
    this.label = shortened(this.name, LABEL_CHARACTERS);
  }

  get positioned(): boolean {
    return !Number.isNaN(this.x);
  }

  get motion(): Motion {
    if (!this.online) return "stale";
    const { speed, engineOn } = this.reading ?? {};
    if (speed !== undefined && speed >= MOVING_KMH) return "moving";
    if (engineOn === false) return "parked";
    return speed === undefined && engineOn === undefined ? "unknown" : "idling";
  }

  get hasAlarm(): boolean {
    return this.unseenAlarms > 0;
  }

  hasNewAlarm(now: number): boolean {
    return this.hasAlarm && now - this.alarmAt < NEW_ALARM_MS;
  }

  /** Takes a message; `now` is the page's clock in milliseconds since 1970. */
  update(reading: Reading, payload: unknown, now: number): void {
    this.version++;
    this.reading = mergeReadings(this.reading, reading);
    this.payload = payload;
    if (reading.alarm) this.alarmAt = now;
    if (!reading.position) return;
    const [x, y] = mercator(reading.position.latitude, reading.position.longitude);
    this.#turn(reading, x, y);
    this.#fromX = this.positioned ? this.x : x;
    this.#fromY = this.positioned ? this.y : y;
    this.#movedAt = now;
    this.x = x;
    this.y = y;
    const { speed = NaN, satellites = NaN } = reading;
    this.track.push({ time: now, x, y, speed, satellites });
  }

  /** Where the marker is at `now`, on its way to the vehicle's position. */
  glide(now: number): [x: number, y: number, gliding: boolean] {
    const part = (now - this.#movedAt) / GLIDE_MS;
    if (!(part < 1)) return [this.x, this.y, false];
    const rest = (1 - part) ** 2;
    return [
      this.x + (this.#fromX - this.x) * rest,
      this.y + (this.#fromY - this.y) * rest,
      this.#fromX !== this.x || this.#fromY !== this.y,
    ];
  }

  #turn({ course, speed }: Reading, x: number, y: number): void {
    if (course !== undefined) this.heading = course;
    else if (this.positioned && (x !== this.x || y !== this.y) && speed !== 0) {
      this.heading = Math.atan2(x - this.x, this.y - y) * 180 / Math.PI;
    }
  }
}

/** A position in the unit square of the web Mercator projection, y downwards. */
export function mercator(latitude: number, longitude: number): [number, number] {
  const sine = Math.sin(Math.max(-85.0511, Math.min(85.0511, latitude)) * Math.PI / 180);
  return [(longitude + 180) / 360, 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)];
}

/** The inverse of {@linkcode mercator}. */
export function geographic(x: number, y: number): { latitude: number; longitude: number } {
  return {
    latitude: Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180 / Math.PI,
    longitude: x * 360 - 180,
  };
}
