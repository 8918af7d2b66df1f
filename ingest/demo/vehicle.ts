/** A demo vehicle: it drives its route, waits at traffic lights, parks and sends reports. */

import type { Point, Route } from "./routes.ts";

const METERS_A_DEGREE = 111_320;
const ACCELERATION = 1.6;
const BRAKING = 2.4;
const TURN_KMH = 22;
const DRIVING_REPORT_S = 2;
const WAITING_REPORT_S = 10;
const PARKED_REPORT_S = 30;

/** What the device in the vehicle measures. */
export interface Fix {
  readonly latitude: number;
  readonly longitude: number;
  readonly speedKmh: number;
  /** Degrees clockwise from north. */
  readonly course: number;
  readonly engineOn: boolean;
  readonly satellites: number;
  readonly odometerKm: number;
}

type Random = () => number;

/** A straight piece of a route. */
interface Leg {
  readonly from: Point;
  readonly to: Point;
  readonly meters: number;
  readonly course: number;
  /** The change of course to the next leg, in degrees. */
  readonly turn: number;
}

export class Vehicle {
  private readonly random: Random;
  readonly #legs: { readonly out: Leg[]; readonly back: Leg[] };
  #leg: number;
  #onWayBack = false;
  /** Meters from the start of the leg. */
  #along = 0;
  #speed = 0;
  #waitSeconds = 0;
  #engineOn = true;
  #sinceReport: number;
  #odometerKm: number;
  /** Whether the light at the end of this leg is or will be red; decided when the leg begins. */
  #redLight = false;

  constructor(
    readonly deviceId: string,
    private readonly route: Route,
    /** `parked`: the probability that it starts parked. */
    { random = Math.random, parked = 0.15 }: { random?: Random; parked?: number } = {},
  ) {
    this.random = random;
    const back = [...route.points].reverse();
    this.#legs = { out: legs(route.points, route.loop), back: legs(back, route.loop) };
    this.#leg = Math.floor(random() * this.#legs.out.length);
    this.#odometerKm = 1_000 + random() * 90_000;
    this.#sinceReport = random() * PARKED_REPORT_S;
    if (random() < parked) this.#park();
  }

  /** Advances by `seconds`; returns true if the device reports. */
  step(seconds: number): boolean {
    const wasOn = this.#engineOn;
    if (this.#waitSeconds > 0) this.#wait(seconds);
    else this.#drive(seconds);
    this.#sinceReport += seconds;
    const interval = !this.#engineOn
      ? PARKED_REPORT_S
      : this.#speed > 0
      ? DRIVING_REPORT_S
      : WAITING_REPORT_S;
    if (this.#sinceReport < interval && wasOn === this.#engineOn) return false;
    this.#sinceReport = 0;
    return true;
  }

  fix(): Fix {
    const leg = this.#current;
    const part = leg.meters === 0 ? 0 : this.#along / leg.meters;
    const jitter = () => (this.random() - 0.5) * 0.00004;
    return {
      latitude: leg.from[0] + (leg.to[0] - leg.from[0]) * part + jitter(),
      longitude: leg.from[1] + (leg.to[1] - leg.from[1]) * part + jitter(),
      speedKmh: this.#speed * 3.6,
      course: leg.course,
      engineOn: this.#engineOn,
      satellites: 7 + Math.floor(this.random() * 6),
      odometerKm: this.#odometerKm,
    };
  }

  get #current(): Leg {
    return this.#way[this.#leg]!;
  }

  get #way(): Leg[] {
    return this.#onWayBack ? this.#legs.back : this.#legs.out;
  }

  #wait(seconds: number): void {
    this.#waitSeconds -= seconds;
    if (this.#waitSeconds > 0) return;
    this.#waitSeconds = 0;
    this.#engineOn = true;
    this.#nextLeg();
  }

  #drive(seconds: number): void {
    const leg = this.#current;
    const left = leg.meters - this.#along;
    const cruise = this.route.cruiseKmh / 3.6 * (0.9 + this.random() * 0.2);
    const target = Math.min(cruise, Math.sqrt(this.#endSpeed(leg) ** 2 + 2 * BRAKING * left));
    const change = target - this.#speed;
    this.#speed += Math.max(-BRAKING * 2 * seconds, Math.min(ACCELERATION * seconds, change));
    const meters = Math.min(left, this.#speed * seconds);
    this.#along += meters;
    this.#odometerKm += meters / 1000;
    if (left - meters < 3) this.#arrive();
  }

  /** Maximum speed at the end of the leg, in meters per second. */
  #endSpeed(leg: Leg): number {
    if (this.#redLight || this.#isLast) return 0;
    const turning = Math.min(1, leg.turn / 60);
    return (this.route.cruiseKmh * (1 - turning) + TURN_KMH * turning) / 3.6;
  }

  get #isLast(): boolean {
    return !this.route.loop && this.#leg === this.#way.length - 1;
  }

  #arrive(): void {
    this.#along = this.#current.meters;
    if (this.#isLast) this.#park();
    else if (this.#redLight) {
      this.#speed = 0;
      this.#waitSeconds = 8 + this.random() * 30;
    } else this.#nextLeg();
  }

  #park(): void {
    this.#speed = 0;
    this.#engineOn = false;
    this.#waitSeconds = 45 + this.random() * 180;
  }

  #nextLeg(): void {
    if (this.#isLast) {
      this.#onWayBack = !this.#onWayBack;
      this.#leg = 0;
    } else this.#leg = (this.#leg + 1) % this.#way.length;
    this.#along = 0;
    this.#redLight = this.random() < 0.3;
  }
}

function legs(points: readonly Point[], loop = false): Leg[] {
  const ends = loop ? [...points, points[0]!] : points;
  const bare = ends.slice(1).map((to, i) => {
    const from = ends[i]!;
    const north = (to[0] - from[0]) * METERS_A_DEGREE;
    const east = (to[1] - from[1]) * METERS_A_DEGREE * Math.cos(from[0] * Math.PI / 180);
    const course = (Math.atan2(east, north) * 180 / Math.PI + 360) % 360;
    return { from, to, meters: Math.hypot(north, east), course };
  });
  return bare.map((leg, i) => {
    const next = bare[(i + 1) % bare.length]!;
    const difference = Math.abs(next.course - leg.course);
    return { ...leg, turn: Math.min(difference, 360 - difference) };
  });
}
