import assert from "node:assert/strict";
import { type Point, type Route, ROUTES } from "../../../ingest/demo/routes.ts";
import { trackingPayload } from "../../../ingest/demo/tracking_payload.ts";
import { type Fix, Vehicle } from "../../../ingest/demo/vehicle.ts";

/** A generator of the same numbers on every run. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

interface Sample {
  readonly at: number;
  readonly fix: Fix;
  readonly reported: boolean;
}

function drive(route: Route, seconds: number, seed = 7): Sample[] {
  const vehicle = new Vehicle("1", route, { random: numbers(seed) });
  const samples: Sample[] = [];
  for (let at = 0; at < seconds; at += 0.25) {
    const reported = vehicle.step(0.25);
    samples.push({ at, reported, fix: vehicle.fix() });
  }
  return samples;
}

const METERS = 111_320;

function meters(a: Point, b: Point): number {
  const east = (b[1] - a[1]) * Math.cos(a[0] * Math.PI / 180);
  return Math.hypot(b[0] - a[0], east) * METERS;
}

/** Distance of a place from the nearest leg of a route. */
function fromRoute({ points, loop }: Route, place: Point): number {
  const ends = loop ? [...points, points[0]!] : points;
  return Math.min(
    ...ends.slice(1).map((to, i) => {
      const from = ends[i]!;
      const length = meters(from, to);
      const part = [0, 1].reduce((sum, axis) => {
        const scale = axis === 1 ? Math.cos(from[0] * Math.PI / 180) : 1;
        return sum + (place[axis]! - from[axis]!) * (to[axis]! - from[axis]!) * scale ** 2;
      }, 0) * METERS ** 2 / length ** 2;
      const at = Math.max(0, Math.min(1, part));
      return meters(place, [from[0] + (to[0] - from[0]) * at, from[1] + (to[1] - from[1]) * at]);
    }),
  );
}

Deno.test("ROUTES lie in Querétaro and their points are a few blocks apart", () => {
  assert.ok(ROUTES.length >= 8);
  for (const { name, points } of ROUTES) {
    points.forEach((point, i) => {
      const [latitude, longitude] = point;
      assert.ok(
        latitude > 20.5 && latitude < 20.75 && longitude > -100.5 && longitude < -100.3,
        name,
      );
      const next = points[i + 1];
      if (next) assert.ok(meters(point, next) > 100 && meters(point, next) < 900, `${name} ${i}`);
    });
  }
});

for (const route of ROUTES) {
  Deno.test(`Vehicle drives ${route.name} realistically`, () => {
    const samples = drive(route, 3_600);
    for (const [i, { fix }] of samples.entries()) {
      const place: Point = [fix.latitude, fix.longitude];
      assert.ok(fromRoute(route, place) < 10, `off the road by ${fromRoute(route, place)} m`);
      assert.ok(fix.speedKmh >= 0 && fix.speedKmh < route.cruiseKmh * 1.2, `${fix.speedKmh} km/h`);
      assert.ok(fix.course >= 0 && fix.course < 360);
      assert.ok(fix.engineOn || fix.speedKmh === 0);
      const before = samples[i - 1];
      if (!before) continue;
      const step = meters([before.fix.latitude, before.fix.longitude], place);
      assert.ok(step < 40, `jumped ${step} m in a quarter of a second`);
    }
    const fixes = samples.map(({ fix }) => fix);
    assert.ok(fixes.some(({ speedKmh }) => speedKmh > route.cruiseKmh * 0.8), "gets going");
    assert.ok(
      fixes.some(({ speedKmh, engineOn }) => speedKmh === 0 && engineOn),
      "waits at lights",
    );
    const places = new Set(
      fixes.map(({ latitude, longitude }) => `${latitude.toFixed(3)} ${longitude.toFixed(3)}`),
    );
    assert.ok(places.size > 10, "gets around");
    if (!route.loop) assert.ok(fixes.some(({ engineOn }) => !engineOn), "parks");
  });
}

Deno.test("Vehicle reports every two seconds while driving and rarely while parked", () => {
  const samples = drive(ROUTES[0]!, 3_600);
  const reports = samples.filter(({ reported }) => reported);
  const gaps = reports.slice(1).map((report, i) => ({
    seconds: report.at - reports[i]!.at,
    parked: !reports[i]!.fix.engineOn && !report.fix.engineOn,
  }));
  assert.ok(Math.max(...gaps.map(({ seconds }) => seconds)) <= 30.5);
  assert.ok(gaps.filter(({ parked }) => parked).some(({ seconds }) => seconds >= 29));
  assert.ok(gaps.filter(({ seconds }) => seconds === 2).length > gaps.length / 2);
});

Deno.test("trackingPayload() has the fields and formats of a real device", () => {
  const text = trackingPayload({
    deviceId: "0848086072",
    fix: {
      latitude: 20.652472,
      longitude: -100.391423,
      speedKmh: 0,
      course: 90,
      engineOn: false,
      satellites: 9,
      odometerKm: 12.34,
    },
    time: new Date("2025-10-18T00:51:16.789Z"),
    sequence: 10_007,
  });
  const { data, decoded, metadata, raw, uuid } = JSON.parse(text);
  assert.deepEqual(
    { ...data },
    {
      DEVICE_ID: "0848086072",
      LATITUD: "+20.652472",
      LONGITUD: "-100.391423",
      SPEED: "0.00",
      COURSE: "90.00",
      GPS_DATETIME: "2025-10-18 00:51:16",
      GPS_FIXED: "1",
      SATELLITES: "9",
      ENGINE_STATUS: "OFF",
      ODOMETER: "12.3",
      MAIN_BATTERY: "12.6",
      MSG_COUNTER: "0007",
    },
  );
  assert.equal(decoded.heading, "E");
  assert.equal(metadata.bytes, raw.length);
  assert.match(uuid, /^[0-9a-f-]{36}$/);
});
