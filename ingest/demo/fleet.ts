/** The demo's vehicles: they publish through a broker, like real devices. */

import mqtt, { type MqttClient } from "mqtt";
import { ROUTES } from "./routes.ts";
import { trackingPayload } from "./tracking_payload.ts";
import { Vehicle } from "./vehicle.ts";

export const FIRST_DEVICE_ID = 848086072;
/** Every vehicle publishes on `tracking/<its id>`. */
export const TOPIC_PREFIX = "tracking/";
const TICK_MS = 250;

export class Fleet implements AsyncDisposable {
  readonly #vehicles: Vehicle[];
  readonly #client: MqttClient;
  readonly #ticker: ReturnType<typeof setInterval>;
  #sequence = 0;
  #lastTick = performance.now();

  constructor(brokerUrl: string, vehicles: number) {
    this.#vehicles = Array.from({ length: vehicles }, (_, i) => {
      const id = String(FIRST_DEVICE_ID + i).padStart(10, "0");
      // The command suggested at startup shows the first vehicle, so it drives at once.
      return new Vehicle(id, ROUTES[i % ROUTES.length]!, i === 0 ? { parked: 0 } : {});
    });
    this.#client = mqtt.connect(brokerUrl, {
      clientId: `demo-fleet-${crypto.randomUUID().slice(0, 8)}`,
      reconnectPeriod: 500,
      queueQoSZero: false,
    });
    this.#client.once("connect", () => this.#vehicles.forEach((vehicle) => this.#report(vehicle)));
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#ticker);
    await this.#client.endAsync(true);
  }

  #tick(): void {
    const now = performance.now();
    // Limited, so that vehicles do not jump after a laptop has slept.
    const seconds = Math.min(2, (now - this.#lastTick) / 1000);
    this.#lastTick = now;
    for (const vehicle of this.#vehicles) {
      if (vehicle.step(seconds)) this.#report(vehicle);
    }
  }

  #report(vehicle: Vehicle): void {
    if (!this.#client.connected) return;
    const { deviceId } = vehicle;
    const payload = trackingPayload({
      deviceId,
      fix: vehicle.fix(),
      time: new Date(),
      sequence: this.#sequence++,
    });
    // Retained, so that later subscribers see parked vehicles at once.
    this.#client.publish(TOPIC_PREFIX + deviceId, payload, { qos: 1, retain: true }, () => {
      // A report lost with the connection is not resent: the next one follows soon.
    });
  }
}
