import assert from "node:assert/strict";
import { Alarms } from "../../../../routes/pages/live/alarms.ts";
import { Vehicle } from "../../../../routes/pages/live/fleet/vehicle.ts";

const alarm = (level: "critical" | "warning" | "info", kind: string = level) => ({
  kind,
  detail: "",
  level,
});

Deno.test("Alarms are newest first, and the newest unseen critical one is urgent", () => {
  const alarms = new Alarms();
  alarms.add(alarm("critical", "first"), undefined, 1);
  alarms.add(alarm("critical", "second"), undefined, 2);
  alarms.add(alarm("info"), undefined, 3);
  alarms.add(alarm("critical", "before"), undefined, 0);
  assert.deepEqual(alarms.entries.map(({ at }) => at), [3, 2, 1, 0]);
  assert.equal(alarms.urgent?.alarm.kind, "second");
  alarms.see(alarms.urgent!);
  assert.equal(alarms.urgent?.alarm.kind, "first");
  assert.equal(alarms.unseen, 3);
  alarms.seeAll();
  assert.equal(alarms.unseen, 0);
  assert.equal(alarms.urgent, undefined);
});

Deno.test("a vehicle has an alarm until all of its alarms are seen or no longer stored", () => {
  const alarms = new Alarms();
  const vehicle = new Vehicle("a");
  alarms.add(alarm("warning"), vehicle, 1);
  alarms.add(alarm("warning"), vehicle, 2);
  alarms.add(alarm("warning"), vehicle, 0, { seen: true });
  alarms.see(alarms.entries[0]!);
  alarms.see(alarms.entries[0]!);
  assert(vehicle.hasAlarm);
  for (let at = 10; at < 210; at++) alarms.add(alarm("info"), undefined, at);
  assert.equal(alarms.entries.length, 200);
  assert.equal(vehicle.hasAlarm, false);
});
