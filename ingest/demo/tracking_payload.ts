/** The payload of a tracking device, with the field names and formats of real devices. */

import type { Fix } from "./vehicle.ts";

export interface PayloadOptions {
  readonly deviceId: string;
  readonly fix: Fix;
  readonly time: Date;
  readonly sequence: number;
}

/** JSON text of one report. */
export function trackingPayload({ deviceId, fix, time, sequence }: PayloadOptions): string {
  const gpsTime = time.toISOString().slice(0, 19).replace("T", " ");
  const data = {
    DEVICE_ID: deviceId,
    LATITUD: signed(fix.latitude),
    LONGITUD: signed(fix.longitude),
    SPEED: fix.speedKmh.toFixed(2),
    COURSE: fix.course.toFixed(2),
    GPS_DATETIME: gpsTime,
    GPS_FIXED: "1",
    SATELLITES: String(fix.satellites),
    ENGINE_STATUS: fix.engineOn ? "ON" : "OFF",
    ODOMETER: fix.odometerKm.toFixed(1),
    MAIN_BATTERY: (fix.engineOn ? 13.9 : 12.6).toFixed(1),
    MSG_COUNTER: String(sequence % 10_000).padStart(4, "0"),
  };
  const raw = [
    "STT",
    deviceId,
    gpsTime.replace(" ", ";"),
    data.LATITUD,
    data.LONGITUD,
    data.SPEED,
    data.COURSE,
    data.SATELLITES,
    fix.engineOn ? "1" : "0",
    data.MSG_COUNTER,
  ].join(";");
  return JSON.stringify({
    data,
    decoded: {
      type: "status",
      moving: fix.speedKmh > 0,
      heading: compass(fix.course),
    },
    metadata: { source: "demo", received_at: time.toISOString(), bytes: raw.length },
    raw,
    uuid: crypto.randomUUID(),
  });
}

/** Degrees with a sign and six decimals: `+20.652472`. */
function signed(degrees: number): string {
  return (degrees < 0 ? "-" : "+") + Math.abs(degrees).toFixed(6);
}

function compass(course: number): string {
  return ["N", "NE", "E", "SE", "S", "SW", "W", "NW"][Math.round(course / 45) % 8]!;
}
