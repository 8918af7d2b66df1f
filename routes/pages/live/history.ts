import type { Api } from "../shared/api.ts";
import { readPayload } from "./fleet/reading.ts";
import type { Point } from "./fleet/track.ts";
import { mercator, type Vehicle } from "./fleet/vehicle.ts";

/** Maximum number of pages, of 1,000 messages each. */
const MAX_PAGES = 3;

interface HistoryPage {
  readonly messages: unknown[];
  readonly next: string | null;
}

/** Reads the stored messages of a device, oldest first. */
export async function readHistory(id: string, request: Api["request"]): Promise<unknown[]> {
  const found: unknown[] = [];
  let since = "";
  for (let page = 0; page < MAX_PAGES; page++) {
    const path = `devices/${encodeURIComponent(id)}/messages?limit=1000&since=${since}`;
    const response = await request(path).catch(() => undefined);
    if (!response?.ok) break;
    const { messages, next }: HistoryPage = await response.json();
    found.push(...messages);
    if (next === null) break;
    since = next;
  }
  return found;
}

/** Adds past messages of a vehicle before those that the page has received itself. */
export function prependHistory(vehicle: Vehicle, messages: readonly unknown[]): void {
  // The server does not say when it received a message. The last message shows how far the device's
  // clock is off.
  const lastTime = parseDeviceTime(vehicle.reading?.deviceTime);
  if (lastTime === undefined) return;
  const offset = (vehicle.seenAt ?? Date.now()) - lastTime;
  const points: Point[] = [];
  for (const message of messages) {
    const { position, deviceTime, speed, satellites } = readPayload(message);
    const time = parseDeviceTime(deviceTime);
    if (!position || time === undefined) continue;
    const [x, y] = mercator(position.latitude, position.longitude);
    points.push({
      time: time + offset,
      x,
      y,
      speed: speed ?? NaN,
      satellites: satellites ?? NaN,
    });
  }
  vehicle.track.prepend(points);
  vehicle.version++;
}

/** Parses `2025-10-18 00:51:16` (UTC), ISO 8601, and seconds or milliseconds since 1970. */
export function parseDeviceTime(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (Number.isFinite(number)) return number > 1e11 ? number : number * 1000;
  const zoned = /(Z|[+-]\d\d:?\d\d)$/.test(text);
  const time = Date.parse(zoned ? text : `${text.replace(" ", "T")}Z`);
  return Number.isNaN(time) ? undefined : time;
}
