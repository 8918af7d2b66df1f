/** Malformed messages from devices, between good ones. */

import { concat } from "../routes/raw.ts";
import assert from "node:assert/strict";
import { Checker } from "../kit/checker.ts";
import { eventually } from "../kit/eventually.ts";
import { deviceAndSeq, trackingPayload } from "../kit/payload.ts";
import { System } from "../kit/system.ts";
import { WsClient } from "../kit/clients/ws_client.ts";
import { parseWsFrame } from "../kit/received.ts";

const text = (value: string) => new TextEncoder().encode(value);
const ID_OF_129 = "x".repeat(129);

/** None of these is a valid message: each is counted as malformed and skipped. */
const MALFORMED: Record<string, Uint8Array> = {
  "not JSON": text("hello"),
  "cut JSON": text('{"data":{"DEVICE_ID":"A"'),
  "empty": text(""),
  "spaces": text("   \n"),
  "a message of 1 MB": text(trackingPayload("A", 1, { chars: 1_000_000 })),
  "60,001 bytes": text(trackingPayload("A", 1, { chars: 60_001 })),
  "an array": text('[{"data":{"DEVICE_ID":"A"}}]'),
  "a number": text("42"),
  "a string": text('"A"'),
  "null": text("null"),
  "nested 10,000 deep": text("[".repeat(10_000) + "]".repeat(10_000)),
  "an object nested 10,000 deep": text('{"a":'.repeat(10_000) + "1" + "}".repeat(10_000)),
  "no device id": text('{"data":{"SPEED":1}}'),
  "an empty device id": text('{"data":{"DEVICE_ID":""}}'),
  "a device id that is an object": text('{"data":{"DEVICE_ID":{"a":1}}}'),
  "a device id of 129 characters": text(JSON.stringify({ data: { DEVICE_ID: ID_OF_129 } })),
  "NUL bytes": new Uint8Array(64),
  "a NUL byte inside JSON": text('{"data":{"DEVICE_ID":"A\0"}}'),
  "invalid UTF-8": new Uint8Array([0x7b, 0xff, 0xfe, 0x7d]),
  "invalid UTF-8 inside a string": concat(
    text('{"data":{"DEVICE_ID":"A'),
    new Uint8Array([0xc3, 0x28]),
    text('"}}'),
  ),
  "a UTF-16 text": new Uint8Array(new Uint16Array([123, 125]).buffer),
};

const ROUNDS = 20;

Deno.test("hostile messages are counted, logged within bounds, and hold up nothing", async () => {
  await using system = await System.start();
  const { telecast, publisher } = system;
  const checker = new Checker();
  const client = checker.client("all", { devices: ["A"] });
  await using _ws = await WsClient.open(telecast.wsUrl("device_ids=*"), {
    onFrame: (frame) => {
      const { event, data } = parseWsFrame(frame);
      if (event !== "message") return;
      const { deviceId, seq } = deviceAndSeq(data);
      client.saw(deviceId, seq);
    },
  });
  for (let round = 0; round < ROUNDS; round++) {
    for (const payload of Object.values(MALFORMED)) {
      await publisher.publish("fleet/bad", payload);
      await publisher.publish("fleet/A", trackingPayload("A", checker.next("A")));
    }
  }
  await eventually("all good messages", () => checker.complete());
  checker.assertFlawless();
  const bad = ROUNDS * Object.keys(MALFORMED).length;
  await eventually(`${bad} malformed messages in the stats`, async () => {
    const { sources } = await telecast.json("/api/v1/stats");
    assert.equal(sources[0].malformed, bad);
    return true;
  });
  const { sources } = await telecast.json("/api/v1/stats");
  assert.equal(sources[0].reconnects, 0);
  const lines = telecast.output.split("\n").filter((line) => line.includes("fleet/bad"));
  assert.ok(lines.length > 0, "the log does not name the topic of skipped messages");
  assert.ok(lines.length < bad / 2, `${lines.length} lines of ${bad} messages`);
  assert.ok(telecast.output.length < 200_000, `${telecast.output.length} characters of log`);
});
