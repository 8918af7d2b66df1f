interface Simulated {
  readonly id: string;
  lat: number;
  lon: number;
  heading: number;
  speed: number;
}

/** Vehicles that drive around a city and send tracking payloads. */
export class SimulatedFleet {
  readonly #vehicles: Simulated[];
  #next = 0;
  #messages = 0;

  constructor(size: number, { spreadDegrees = 0.08 } = {}) {
    this.#vehicles = Array.from({ length: size }, (_, i) => ({
      id: String(848_086_000 + i).padStart(10, "0"),
      lat: 20.6 + (fraction(i * 7.13) - 0.5) * spreadDegrees,
      lon: -100.39 + (fraction(i * 3.77) - 0.5) * spreadDegrees,
      heading: Math.floor(fraction(i * 1.31) * 4) * 90 + 12,
      speed: i % 6 === 0 ? 0 : 18 + fraction(i * 2.3) * 60,
    }));
  }

  get ids(): string[] {
    return this.#vehicles.map(({ id }) => id);
  }

  /** The last known payload of every vehicle. */
  all(): unknown[] {
    return this.#vehicles.map((vehicle) => this.#payload(vehicle));
  }

  /** What the server would have kept: five minutes, with a message every ten seconds. */
  pastOf(id: string): unknown[] {
    const vehicle = this.#vehicles.find((vehicle) => vehicle.id === id);
    if (!vehicle) return [];
    return Array.from({ length: 30 }, (_, i) => {
      const seconds = 10 * (30 - i);
      const lat = vehicle.lat - vehicle.speed / 3.6 * seconds / 111_320;
      return this.#payload({ ...vehicle, lat }, Date.now() - seconds * 1000);
    });
  }

  /** Moves the next vehicle by `seconds` of driving and returns its message. */
  step(seconds: number): { id: string; payload: unknown } {
    const at = this.#next++ % this.#vehicles.length;
    const vehicle = this.#vehicles[at]!;
    if (vehicle.speed > 0) {
      if (fraction(this.#messages * 0.618) < 0.12) {
        vehicle.heading = (vehicle.heading + (this.#messages % 2 ? 90 : 270)) % 360;
      }
      vehicle.speed = Math.max(8, vehicle.speed + (fraction(this.#messages * 1.7) - 0.5) * 8);
      const degrees = vehicle.speed / 3.6 * seconds / 111_320;
      const angle = vehicle.heading * Math.PI / 180;
      vehicle.lat += degrees * Math.cos(angle);
      vehicle.lon += degrees * Math.sin(angle) / Math.cos(vehicle.lat * Math.PI / 180);
    }
    return { id: vehicle.id, payload: this.#payload(vehicle) };
  }

  #payload({ id, lat, lon, heading, speed }: Simulated, time = Date.now()): unknown {
    const signed = (value: number) => `${value < 0 ? "-" : "+"}${Math.abs(value).toFixed(6)}`;
    const satellites = 7 + Math.floor(fraction(this.#messages * 0.37) * 6);
    return {
      data: {
        DEVICE_ID: id,
        LATITUD: signed(lat),
        LONGITUD: signed(lon),
        SPEED: speed.toFixed(2),
        COURSE: heading.toFixed(1),
        GPS_DATETIME: new Date(time).toISOString().slice(0, 19).replace("T", " "),
        ENGINE_STATUS: speed > 0 || Number(id) % 12 === 0 ? "ON" : "OFF",
        SATELLITES: String(satellites),
      },
      decoded: {},
      metadata: { worker_id: 1 },
      raw: "2B5245535041",
      uuid: `uuid-${this.#messages++}`,
    };
  }
}

/** A pseudorandom number from 0 to 1 that is the same in every run. */
function fraction(value: number): number {
  const x = Math.sin(value * 12.9898 + 4.1414) * 43758.5453;
  return x - Math.floor(x);
}
