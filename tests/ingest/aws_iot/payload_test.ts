import assert from "node:assert/strict";
import {
  checkAwsTopic,
  checkSize,
  commandTopic,
  eventPayload,
  InvalidPayloadError,
  type JsonObject,
  RawJson,
  seconds,
  telemetryPayload,
} from "../../../ingest/aws_iot/payload.ts";
import { InvalidTopicError } from "../../../ingest/mqtt/topic_name.ts";

const OPTIONS = { deviceId: "bombercat-001", at: 1_234_567_890_123 };

Deno.test("payloads have exactly the fields that consumers know, in order", () => {
  assert.equal(
    telemetryPayload({ temperature: 25.5, custom_field: "valor", n: null }, OPTIONS),
    '{"timestamp":1234567890.123,"device_id":"bombercat-001",' +
      '"data":{"temperature":25.5,"custom_field":"valor","n":null}}',
  );
  assert.equal(
    eventPayload("sensor_alert", { severity: "warning" }, OPTIONS),
    '{"timestamp":1234567890.123,"device_id":"bombercat-001",' +
      '"event":"sensor_alert","metadata":{"severity":"warning"}}',
  );
});

Deno.test("seconds() has decimals even for whole seconds", () => {
  assert.equal(seconds(1_234_567_890_000), "1234567890.000");
});

Deno.test("RawJson keeps numbers as written and removes only line breaks", () => {
  const raw = new RawJson('{\r\n  "n": 12345678901234567890,\n  "x": 1.0, "s": "+20.652472\\n"\n}');
  const payload = telemetryPayload(raw, OPTIONS);
  assert.ok(
    payload.endsWith('"data":{  "n": 12345678901234567890,  "x": 1.0, "s": "+20.652472\\n"}}'),
  );
});

const itself: Record<string, unknown> = {};
itself.self = itself;

const INVALID: [string, unknown, RegExp][] = [
  ["NaN", { a: { b: [1, NaN] } }, /^data\.a\.b\[1\]: JSON has no NaN$/],
  ["Infinity", { a: -Infinity }, /^data\.a: JSON has no -Infinity$/],
  ["a function", { a: () => 1 }, /^data\.a: JSON has no function$/],
  ["a bigint", { a: 1n }, /^data\.a: JSON has no bigint$/],
  ["an object within itself", itself, /nested too deep/],
  ["a list", [1], /^data: must be an object$/],
  ["nothing", null, /^data: must be an object$/],
  ["a text", "x", /^data: must be an object$/],
];
for (const [what, data, message] of INVALID) {
  Deno.test(`telemetry with ${what} is refused, and the error says where it is`, () => {
    assert.throws(
      () => telemetryPayload(data as JsonObject, OPTIONS),
      (error) => error instanceof InvalidPayloadError && message.test(error.message),
    );
  });
}

Deno.test("undefined members are left out, and dates become text", () => {
  const data = { a: undefined, at: new Date(0) };
  assert.ok(telemetryPayload(data, OPTIONS).endsWith('"data":{"at":"1970-01-01T00:00:00.000Z"}}'));
});

Deno.test("device ids and event names are 1 to 128 characters long", () => {
  const longest = "\u{1f692}".repeat(128);
  telemetryPayload({}, { ...OPTIONS, deviceId: longest });
  eventPayload(longest, {}, OPTIONS);
  for (const bad of ["", "  ", `${longest}x`]) {
    assert.throws(() => telemetryPayload({}, { ...OPTIONS, deviceId: bad }), /device_id/);
    assert.throws(() => eventPayload(bad, {}, OPTIONS), /event/);
  }
});

Deno.test("commandTopic() joins prefix and id, and requires an id", () => {
  assert.equal(commandTopic("bombercat/commands/", "a/b"), "bombercat/commands/a/b");
  assert.throws(() => commandTopic("c/", " "), /device_id/);
});

Deno.test("checkAwsTopic() refuses topics for which AWS would close the connection", () => {
  checkAwsTopic("ñ".repeat(128));
  checkAwsTopic("1/2/3/4/5/6/7/8");
  for (const topic of ["a#", "+", "a\tb", "ñ".repeat(128) + "x", "1/2/3/4/5/6/7/8/9"]) {
    assert.throws(() => checkAwsTopic(topic), InvalidTopicError, topic);
  }
});

Deno.test("checkSize() counts bytes, not characters", () => {
  checkSize("ñ".repeat(65_536));
  assert.throws(() => checkSize("ñ".repeat(65_537)), InvalidPayloadError);
  assert.throws(() => checkSize("xxxxx", 4), /larger than 4 bytes/);
});
