/// <reference lib="dom" />
import { Telecast } from "../../../client/telecast.ts";
import type { TelecastState } from "../../../client/types.ts";
import type { Fleet } from "./fleet.ts";
import type { Api } from "../shared/api.ts";
import type { Reading } from "./reading.ts";
import type { Vehicle } from "./vehicle.ts";

/** Messages of so long come in one frame: the eye does not see it, and 1,000/s cost a tenth. */
const BATCH_MS = 50;
const PING_EVERY_MS = 5_000;

export interface StreamEvents {
  onState(state: TelecastState): void;
  onMessage(vehicle: Vehicle | undefined, reading: Reading): void;
  /** The server wants a token; resolves when the user has given one. */
  askForToken(options: { refused: boolean }): Promise<string>;
}

interface DevicePage {
  readonly devices: { device_id: string; last_seen: string; state: "online" | "stale" }[];
  readonly next: string | null;
}

/** The page's stream: every device, with what is known of it, kept open. */
export class LiveStream {
  readonly counts = { messages: 0, dropped: 0, resumed: 0 };
  lastResume: "full" | "partial" | "none" | undefined;
  latencyMs: number | undefined;
  readonly #api: Api;
  readonly #fleet: Fleet;
  readonly #events: StreamEvents;
  #client: Telecast | undefined;
  #described = false;

  constructor(api: Api, fleet: Fleet, events: StreamEvents) {
    this.#api = api;
    this.#fleet = fleet;
    this.#events = events;
    setInterval(() => void this.#measure(), PING_EVERY_MS);
    this.#open();
  }

  /** Takes another token, and begins anew with it. */
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
      this.#fleet.setOnline(deviceId, state === "online");
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
    this.#events.onMessage(vehicle, live ? reading : { ...reading, alarm: undefined });
  }

  async #measure(): Promise<void> {
    this.latencyMs = await this.#client?.ping();
  }

  /** Reads once when each device was seen: a snapshot does not say. */
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
      }
      next = page.next;
    }
  }
}
