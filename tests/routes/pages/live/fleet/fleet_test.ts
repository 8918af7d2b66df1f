import assert from "node:assert/strict";
import { Fleet } from "../../../../../routes/pages/live/fleet/fleet.ts";
import { parseDeviceTime } from "../../../../../routes/pages/live/history.ts";
import { geographic, mercator } from "../../../../../routes/pages/live/fleet/vehicle.ts";

const message = (id: string, data: Record<string, unknown> = {}) => ({ device_id: id, data });
const ids = (fleet: Fleet, order: "id" | "recent" | "speed" = "id") =>
  fleet.list(order).map(({ id }) => id);

Deno.test("Fleet counts online vehicles, and shows those that pass the filter", () => {
  const fleet = new Fleet();
  for (const id of ["b", "a2", "a1"]) fleet.take(message(id), { live: true });
  fleet.setOnline("b", false);
  assert.equal(fleet.online, 2);
  assert.deepEqual(ids(fleet), ["a1", "a2", "b"]);
  fleet.filter = { search: " A", show: "all", company: "" };
  assert.deepEqual(ids(fleet), ["a1", "a2"]);
  fleet.filter = { search: "", show: "stale", company: "" };
  assert.deepEqual(ids(fleet), ["b"]);
  fleet.take(message("b"), { live: true });
  assert.deepEqual(ids(fleet), []);
  assert.equal(fleet.online, 3);
});

Deno.test("Fleet filters by company and sorts by speed", () => {
  const fleet = new Fleet();
  fleet.take({ ...message("a", { speed: 10 }), empresa: "cota" }, { live: true });
  fleet.take({ ...message("b", { speed: 30 }), empresa: "funza" }, { live: true });
  fleet.take({ ...message("c", { speed: 20 }), empresa: "cota" }, { live: true });
  assert.deepEqual(ids(fleet, "speed"), ["b", "c", "a"]);
  fleet.filter = { search: "", show: "all", company: "cota" };
  assert.deepEqual(ids(fleet), ["a", "c"]);
  assert.deepEqual([...fleet.companies], ["cota", "funza"]);
});

Deno.test("a snapshot marks no vehicle as seen, and no alarm as new", () => {
  const fleet = new Fleet();
  const { vehicle } = fleet.take({ device_id: "a", event: "alert" }, { live: false });
  assert.equal(vehicle!.seenAt, undefined);
  assert.equal(vehicle!.hasNewAlarm(Date.now()), false);
  fleet.describe("a", { online: false, seenAt: 5 });
  assert.equal(vehicle!.seenAt, 5);
  assert.equal(vehicle!.motion, "stale");
});

Deno.test("a vehicle's heading is its course, or the direction of its movement", () => {
  const fleet = new Fleet();
  fleet.take(message("a", { lat: 20, lon: -100, speed: 20 }), { live: true });
  const { vehicle } = fleet.take(message("a", { lat: 20, lon: -99, speed: 20 }), { live: true });
  assert.equal(Math.round(vehicle!.heading), 90);
  fleet.take(message("a", { lat: 19, lon: -99, speed: 20, course: "355" }), { live: true });
  assert.equal(vehicle!.heading, 355);
  assert.equal(vehicle!.motion, "moving");
});

Deno.test("mercator() and geographic() are inverse", () => {
  const { latitude, longitude } = geographic(...mercator(20.652472, -100.391423));
  assert(Math.abs(latitude - 20.652472) < 1e-9);
  assert(Math.abs(longitude + 100.391423) < 1e-9);
});

Deno.test("parseDeviceTime() treats a time without a zone as UTC", () => {
  const noon = Date.UTC(2025, 9, 18, 12);
  for (const text of ["2025-10-18 12:00:00", "2025-10-18T12:00:00Z", "2025-10-18T07:00:00-05:00"]) {
    assert.equal(parseDeviceTime(text), noon);
  }
  assert.equal(parseDeviceTime(String(noon / 1000)), noon);
  assert.equal(parseDeviceTime(String(noon)), noon);
  assert.equal(parseDeviceTime("soon"), undefined);
});
