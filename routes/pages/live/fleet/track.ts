const FIRST_POINTS = 16;
const MAX_POINTS = 256;

export interface Point {
  /** Milliseconds since 1970. */
  readonly time: number;
  /** In the unit square of the Mercator projection. */
  readonly x: number;
  readonly y: number;
  /** NaN if unknown, like `satellites`. */
  readonly speed: number;
  readonly satellites: number;
}

/** Where a vehicle has been: the newest points, oldest first, in arrays that grow up to a limit. */
export class Track {
  #times = new Float64Array(FIRST_POINTS);
  #xs = new Float64Array(FIRST_POINTS);
  #ys = new Float64Array(FIRST_POINTS);
  #speeds = new Float32Array(FIRST_POINTS);
  #satellites = new Float32Array(FIRST_POINTS);
  #first = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push({ time, x, y, speed, satellites }: Point): void {
    if (this.#length === this.#times.length && this.#length < MAX_POINTS) this.#grow();
    const at = this.#slot(this.#length);
    if (this.#length === this.#times.length) this.#first = this.#slot(1);
    else this.#length++;
    this.#times[at] = time;
    this.#xs[at] = x;
    this.#ys[at] = y;
    this.#speeds[at] = speed;
    this.#satellites[at] = satellites;
  }

  time(index: number): number {
    return this.#times[this.#slot(index)]!;
  }

  x(index: number): number {
    return this.#xs[this.#slot(index)]!;
  }

  y(index: number): number {
    return this.#ys[this.#slot(index)]!;
  }

  speed(index: number): number {
    return this.#speeds[this.#slot(index)]!;
  }

  satellites(index: number): number {
    return this.#satellites[this.#slot(index)]!;
  }

  /** Adds the points that are older than all existing ones. */
  prepend(points: readonly Point[]): void {
    const firstTime = this.#length > 0 ? this.time(0) : Infinity;
    const own = Array.from({ length: this.#length }, (_, i) => this.#point(i));
    this.#first = this.#length = 0;
    for (const point of points) if (point.time < firstTime) this.push(point);
    for (const point of own) this.push(point);
  }

  #point(index: number): Point {
    return {
      time: this.time(index),
      x: this.x(index),
      y: this.y(index),
      speed: this.speed(index),
      satellites: this.satellites(index),
    };
  }

  #slot(index: number): number {
    return (this.#first + index) % this.#times.length;
  }

  #grow(): void {
    const size = Math.min(MAX_POINTS, this.#length * 2);
    const copy = <T extends Float64Array | Float32Array>(from: T, to: T) => {
      for (let i = 0; i < this.#length; i++) to[i] = from[this.#slot(i)]!;
      return to;
    };
    const times = copy(this.#times, new Float64Array(size));
    this.#xs = copy(this.#xs, new Float64Array(size));
    this.#ys = copy(this.#ys, new Float64Array(size));
    this.#speeds = copy(this.#speeds, new Float32Array(size));
    this.#satellites = copy(this.#satellites, new Float32Array(size));
    this.#times = times;
    this.#first = 0;
  }
}
