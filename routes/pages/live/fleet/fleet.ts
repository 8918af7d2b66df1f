import { type Reading, readPayload } from "./reading.ts";
import { Vehicle } from "./vehicle.ts";

/** Companies in the list to choose from. */
const MAX_COMPANIES = 500;

export type Show = "all" | "online" | "stale";
export type Order = "id" | "recent" | "speed" | "silent";

export interface Filter {
  readonly search: string;
  readonly show: Show;
  /** Empty: every company. */
  readonly company: string;
}

/** All vehicles, and which of them are shown. */
export class Fleet {
  readonly vehicles = new Map<string, Vehicle>();
  readonly companies = new Set<string>();
  /** Counts changes of anything. */
  version = 0;
  /** Counts changes in which vehicles exist, and which are shown. */
  membership = 0;
  #filter: Filter = { search: "", show: "all", company: "" };
  #online = 0;
  readonly #idPath: readonly string[];

  constructor(idPath: readonly string[] = []) {
    this.#idPath = idPath;
  }

  get online(): number {
    return this.#online;
  }

  /** Whether any vehicle has a position. */
  get anyPosition(): boolean {
    for (const vehicle of this.vehicles.values()) if (vehicle.positioned) return true;
    return false;
  }

  /** Takes a message; returns no vehicle if the payload names no device. */
  take(payload: unknown, { live }: { live: boolean }): { reading: Reading; vehicle?: Vehicle } {
    const reading = readPayload(payload, this.#idPath);
    if (reading.deviceId === undefined) return { reading };
    const now = Date.now();
    const vehicle = this.#vehicle(reading.deviceId);
    vehicle.update(live ? reading : { ...reading, alarm: undefined }, payload, now);
    if (live) {
      vehicle.seenAt = now;
      this.setOnline(vehicle.id, true);
    }
    if (reading.company !== undefined && this.companies.size < MAX_COMPANIES) {
      this.companies.add(reading.company);
    }
    this.version++;
    this.#judge(vehicle);
    return { reading, vehicle };
  }

  /** Takes what the server knows about a device: when it was seen, and whether it is online. */
  describe(id: string, { online, seenAt }: { online: boolean; seenAt?: number }): void {
    const vehicle = this.#vehicle(id);
    if (seenAt !== undefined) vehicle.seenAt ??= seenAt;
    this.setOnline(id, online);
  }

  setOnline(id: string, online: boolean): void {
    const vehicle = this.#vehicle(id);
    if (vehicle.online === online) return;
    vehicle.online = online;
    vehicle.version++;
    this.#online += online ? 1 : -1;
    this.version++;
    this.#judge(vehicle);
  }

  get filter(): Filter {
    return this.#filter;
  }

  set filter(filter: Filter) {
    this.#filter = { ...filter, search: filter.search.trim().toLowerCase() };
    for (const vehicle of this.vehicles.values()) this.#judge(vehicle);
    this.version++;
    this.membership++;
  }

  /** The vehicles that pass the filter, in this order. */
  list(order: Order): Vehicle[] {
    const shown = [...this.vehicles.values()].filter((vehicle) => vehicle.shown);
    if (order === "id") return shown.sort((a, b) => compareIds(a.id, b.id));
    if (order === "recent") return shown.sort((a, b) => (b.seenAt ?? 0) - (a.seenAt ?? 0));
    if (order === "silent") {
      return shown.sort((a, b) => (a.seenAt ?? Infinity) - (b.seenAt ?? Infinity));
    }
    return shown.sort((a, b) => (b.reading?.speed ?? -1) - (a.reading?.speed ?? -1));
  }

  #vehicle(id: string): Vehicle {
    let vehicle = this.vehicles.get(id);
    if (!vehicle) {
      vehicle = new Vehicle(id);
      this.vehicles.set(id, vehicle);
      this.#online++;
      this.membership++;
      this.#judge(vehicle);
    }
    return vehicle;
  }

  #judge(vehicle: Vehicle): void {
    const { search, show, company } = this.#filter;
    const shown = (show === "all" || vehicle.online === (show === "online")) &&
      (company === "" || vehicle.reading?.company === company) &&
      (search === "" || vehicle.id.toLowerCase().includes(search));
    if (shown === vehicle.shown) return;
    vehicle.shown = shown;
    this.membership++;
  }
}

// Far faster than localeCompare, and ids have no accents to sort.
function compareIds(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
