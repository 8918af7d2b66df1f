/// <reference lib="dom" />
import { Telecast } from "../../../client/telecast.ts";
import type { TelecastState } from "../../../client/types.ts";
import type { Fleet } from "./fleet/fleet.ts";
import type { Api } from "../shared/api.ts";
import type { Alarm, Reading } from "./fleet/reading.ts";
import type { Vehicle } from "./fleet/vehicle.ts";

/** Interval of a batch: too short to notice, and 1,000 messages/s cost a tenth. */
const BATCH_MS = 50;
const PING_EVERY_MS = 5_000;

export interface StreamEvents {
  onState(state: TelecastState): void;
  onMessage(vehicle: Vehicle | undefined, reading: Reading, payload: unknown): void;
  /** The last known message of a vehicle is an alarm, which arrived at `at`, in ms since 1970. */
  onPastAlarm(vehicle: Vehicle, alarm: Alarm, at: number): void;
  /** A moving vehicle has fallen silent. */
  onSilence(vehicle: Vehicle): void;
  /** The server requires a token; resolves when the user has entered one. */
  askForToken(options: { refused: boolean }): Promise<string>;
}

interface DevicePage {
  readonly devices: { device_id: string; last_seen: string; state: "online" | "stale" }[];
  readonly next: string | null;
}

/** The page's stream of every device and its last known state; it is kept open. */
export class LiveStream {
  readonly counts = { messages: 0, dropped: 0, resumed: 0 };
  lastResume: "full" | "partial" | "none" | undefined;
  latencyMs: number | undefined;
  readonly #api: Api;
  readonly #fleet: Fleet;
  readonly #events: StreamEvents;
  #client: Telecast | undefined;
  #described = false;
  /** Vehicles from which a message has arrived. */
  readonly #heardOf = new Set<Vehicle>();
  /** Alarms from before the page was opened, whose time is not known yet. */
  readonly #past = new Map<Vehicle, Alarm>();

  constructor(api: Api, fleet: Fleet, events: StreamEvents) {
    this.#api = api;
    this.#fleet = fleet;
    this.#events = events;
    setInterval(() => void this.#measure(), PING_EVERY_MS);
    this.#open();
  }

  /** Starts again with another token. */
  async useToken(token: string): Promise<void> {
    this.#api.token = token;
    this.#described = false;
    await this.#client?.close();
    this.#open();
  }

  #open(): void {
    const client = new Telecast(this.#api.address("stream"), {
      deviceIds: "*",
      snapshot: true,
      presence: true,
      batchMs: BATCH_MS,
      token: async ({ unauthorized }) => {
        if (unauthorized) {
          const refused = this.#api.token !== undefined;
          this.#api.token = await this.#events.askForToken({ refused });
        }
        return this.#api.token;
      },
    });
    this.#client = client;
    client.on("state", (state) => this.#events.onState(state));
    client.on("snapshot", ({ data }) => this.#take(data, false));
    client.on("message", ({ data }) => this.#take(data, true));
    client.on("presence", ({ deviceId, state }) => {
      const vehicle = this.#fleet.vehicles.get(deviceId);
      const drove = vehicle?.motion === "moving";
      this.#fleet.setOnline(deviceId, state === "online");
      // A parked vehicle sleeps, as it does every night.
      if (vehicle && drove && state === "stale") this.#events.onSilence(vehicle);
    });
    client.on("dropped", ({ count }) => this.counts.dropped += count);
    client.on("resumed", ({ status }) => {
      this.counts.resumed++;
      this.lastResume = status;
    });
    client.on("state", ({ state }) => {
      if (state !== "open") return;
      void this.#measure();
      void this.#describe();
    });
  }

  #take(data: unknown, live: boolean): void {
    if (live) this.counts.messages++;
    const { reading, vehicle } = this.#fleet.take(data, { live });
    const isFirst = vehicle !== undefined && !this.#heardOf.has(vehicle);
    if (isFirst) this.#heardOf.add(vehicle);
    if (live) return this.#events.onMessage(vehicle, reading, data);
    if (isFirst && reading.alarm) this.#takePast(vehicle, reading.alarm);
    this.#events.onMessage(vehicle, { ...reading, alarm: undefined }, data);
  }

  /** A snapshot does not say when it arrived: the list of devices does, which may be read later. */
  #takePast(vehicle: Vehicle, alarm: Alarm): void {
    const at = vehicle.seenAt;
    if (at === undefined) this.#past.set(vehicle, alarm);
    else this.#events.onPastAlarm(vehicle, alarm, at);
  }

  async #measure(): Promise<void> {
    this.latencyMs = await this.#client?.ping();
  }

  /** Reads once when each device was last seen, which a snapshot does not say. */
  async #describe(): Promise<void> {
    if (this.#described) return;
    this.#described = true;
    let next: string | null = "";
    while (next !== null) {
      const path = `devices?limit=1000&next=${next}`;
      const response: Response | undefined = await this.#api.request(path).catch(() => undefined);
      if (!response?.ok) return;
      const page: DevicePage = await response.json();
      for (const { device_id, last_seen, state } of page.devices) {
        const seenAt = Date.parse(last_seen);
        this.#fleet.describe(device_id, { online: state === "online", seenAt });
        const vehicle = this.#fleet.vehicles.get(device_id);
        const alarm = vehicle && this.#past.get(vehicle);
        if (!alarm) continue;
        this.#past.delete(vehicle);
        if (vehicle.seenAt === seenAt) this.#events.onPastAlarm(vehicle, alarm, seenAt);
      }
      next = page.next;
    }
  }
}
