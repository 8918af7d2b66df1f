import assert from "node:assert/strict";
import { mergeReadings, readPayload } from "../../../../../routes/pages/live/fleet/reading.ts";

Deno.test("readPayload() reads the tracking payload, whose numbers are text", () => {
  assert.deepEqual(
    readPayload({
      data: {
        DEVICE_ID: "0848086072",
        LATITUD: "+20.652472",
        LONGITUD: "-100.391423",
        SPEED: "0.00",
        COURSE: "182.5",
        GPS_DATETIME: "2025-10-18 00:51:16",
        ENGINE_STATUS: "OFF",
        SATELLITES: "9",
      },
      decoded: {},
    }),
    {
      deviceId: "0848086072",
      position: { latitude: 20.652472, longitude: -100.391423 },
      speed: 0,
      course: 182.5,
      satellites: 9,
      engineOn: false,
      deviceTime: "2025-10-18 00:51:16",
      company: undefined,
      alarm: undefined,
    },
  );
});

const POSITIONS: [string, unknown][] = [
  ["LAT and LON as numbers", { timestamp: "x", data: { DEVICE_ID: 7, LAT: -33.5, LON: -70.5 } }],
  ["lower case in data", { device_id: 7, data: { lat: -33.5, lon: -70.5 } }],
  ["long names at the top", { device_id: "7", latitude: "-33.5", longitude: "-70.5" }],
  ["a location", { device_id: "7", data: { location: { lat: -33.5, lon: -70.5 } } }],
  ["a GeoJSON point", { device_id: "7", data: { position: { coordinates: [-70.5, -33.5] } } }],
];
for (const [name, payload] of POSITIONS) {
  Deno.test(`readPayload() finds ${name}`, () => {
    const { deviceId, position } = readPayload(payload);
    assert.equal(deviceId, "7");
    assert.deepEqual(position, { latitude: -33.5, longitude: -70.5 });
  });
}

Deno.test("readPayload() ignores an invalid position", () => {
  const position = (data: unknown) => readPayload({ device_id: "7", data }).position;
  assert.equal(position({ lat: 0, lon: 0 }), undefined);
  assert.equal(position({ lat: "+0.000000", lon: "-0.000000" }), undefined);
  assert.equal(position({ lat: 91, lon: 1 }), undefined);
  assert.equal(position({ lat: "", lon: "1" }), undefined);
  assert.equal(position({ lat: null, lon: 1 }), undefined);
});

Deno.test("readPayload() finds the device id at the configured path", () => {
  assert.equal(readPayload({ meta: { id: 12 }, device_id: "x" }, ["meta", "id"]).deviceId, "12");
  assert.equal(readPayload({ device_id: "x" }, ["meta", "id"]).deviceId, "x");
  assert.equal(readPayload({ tipo_mensaje: "alarmas" }).deviceId, undefined);
  for (const odd of [null, 1, "text", [], [{}]]) assert.equal(readPayload(odd).deviceId, undefined);
});

Deno.test("readPayload() recognizes alarms by their kind, and ignores keepalives", () => {
  const alarm = (payload: unknown) => readPayload(payload).alarm;
  assert.deepEqual(alarm({ tipo_mensaje: "semaforos", tipo_alarma: "AZUL", empresa: "cota" }), {
    kind: "AZUL",
    detail: "",
    level: "info",
  });
  const critical = { tipo_mensaje: "alarmas", tipo_alarma: "CRITICA", descripcion: "Fallo" };
  assert.deepEqual(alarm(critical), { kind: "CRITICA", detail: "Fallo", level: "critical" });
  assert.deepEqual(
    alarm({ device_id: "b", event: "alert", metadata: { severity: "warning", value: 3, at: {} } }),
    { kind: "alert", detail: "severity: warning, value: 3", level: "warning" },
  );
  assert.equal(alarm({ device_id: "b", event: "keepalive", metadata: {} }), undefined);
  assert.equal(alarm({ tipo_mensaje: "heartbeat", timestamp: "x" }), undefined);
});

Deno.test("mergeReadings() keeps values that a message does not contain", () => {
  const before = readPayload({ device_id: "7", data: { lat: 1, lon: 2, speed: 30 } });
  const merged = mergeReadings(before, readPayload({ device_id: "7", event: "alert" }));
  assert.equal(merged.speed, 30);
  assert.deepEqual(merged.position, { latitude: 1, longitude: 2 });
  assert.equal(merged.alarm?.kind, "alert");
});
