import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { fingerprintOf } from "../../../broker/messages/fingerprint.ts";
import { type Checked, MessageCheck } from "../../../ingest/messages/check.ts";

const MAX_BYTES = 60_000;
const encode = (text: string) => new TextEncoder().encode(text);

function check(bytes: Uint8Array | string): Checked {
  const messages = new MessageCheck({ maxMessageBytes: MAX_BYTES, commandTopicPrefix: "c/" });
  return messages.check(typeof bytes === "string" ? encode(bytes) : bytes, { topic: "t" });
}

const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;

const HOSTILE: readonly [title: string, bytes: Uint8Array | string, refusal: string][] = [
  ["nothing", "", "not_json"],
  ["blanks", " \r\n ", "not_json"],
  ["text", "hello", "not_json"],
  ["half an object", '{"device_id":"d"', "not_json"],
  ["two objects", '{"device_id":"d"}{"device_id":"d"}', "not_json"],
  ["a comma too many", '{"device_id":"d",}', "not_json"],
  ["NaN", '{"device_id":NaN}', "not_json"],
  ["a NUL byte", '{"device_id":"a\0b"}', "not_json"],
  ["a NUL byte after it", '{"device_id":"d"}\0', "not_json"],
  ["a raw line break in a string", '{"device_id":"a\nb"}', "not_json"],
  ["NUL bytes", new Uint8Array(1000), "not_json"],
  ["an array", '[{"device_id":"d"}]', "not_an_object"],
  ["a number", "17", "not_an_object"],
  ["a string", '"device_id"', "not_an_object"],
  ["true", "true", "not_an_object"],
  ["null", "null", "not_an_object"],
  ["an empty object", "{}", "no_device_id"],
  ["10,000 levels of objects", nested(9_990), "no_device_id"],
  ["10,000 levels of arrays", `${"[".repeat(10_000)}${"]".repeat(10_000)}`, "not_an_object"],
  ["10,000 open brackets", "[".repeat(10_000), "not_json"],
  ["bytes that are not UTF-8", new Uint8Array([0x7b, 0xff, 0xfe, 0x7d]), "not_utf8"],
  ["an overlong slash", new Uint8Array([0x22, 0xc0, 0xaf, 0x22]), "not_utf8"],
  ["a surrogate in UTF-8", new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22]), "not_utf8"],
  ["UTF-16", new Uint8Array([0xff, 0xfe, 0x7b, 0, 0x7d, 0]), "not_utf8"],
  ["1 MB", `{"device_id":"d","x":"${"x".repeat(1_000_000)}"}`, "too_large"],
  ["1 MB of garbage", new Uint8Array(1_000_000).fill(0xff), "too_large"],
];

for (const [title, bytes, refusal] of HOSTILE) {
  Deno.test(`MessageCheck refuses ${title} as ${refusal}`, () => {
    assert.equal(check(bytes).refusal, refusal);
  });
}

Deno.test("MessageCheck counts bytes and accepts a message of exactly the maximum size", () => {
  const frame = '{"device_id":"d","x":""}'.length;
  const exact = `{"device_id":"d","x":"${"x".repeat(MAX_BYTES - frame)}"}`;
  assert.ok(check(exact).message);
  assert.equal(check(`${exact} `).refusal, "too_large");
  const bytes = `{"device_id":"d","x":"${"ñ".repeat((MAX_BYTES - frame) / 2 + 1)}"}`;
  assert.equal(check(bytes).refusal, "too_large");
});

Deno.test("MessageCheck leaves the payload as the device sent it", () => {
  const payload =
    ' {"data": {"DEVICE_ID":"0848086072",\t"LATITUD":"+20.652472","big":12345678901234567890,' +
    '"one":1.0,"e":1E+2,"n":"\\u00f1 \\n ñ","emoji":"🚒","b":1,"a":2,"b":3},"uuid":"u-1"} ';
  const { message } = check(payload);
  assert.equal(message?.payload, payload);
  assert.equal(message?.uuid, "u-1");
});

Deno.test("MessageCheck removes raw line breaks and nothing else", () => {
  const { message } = check('{\r\n  "device_id": "d",\n\n\t"x": "a\\nb\u2028"\r}\n');
  assert.equal(message?.payload, '{  "device_id": "d",\t"x": "a\\nb\u2028"}');
});

Deno.test("MessageCheck removes a byte order mark", () => {
  assert.equal(check('\ufeff{"device_id":"d"}').message?.payload, '{"device_id":"d"}');
  const payload = '{"device_id":"d","x":"\ufeff\ufffd"}';
  assert.equal(check(`\ufeff${payload}`).message?.payload, payload);
});

Deno.test("MessageCheck accepts a replacement character that the device itself sent", () => {
  const payload = '{"device_id":"d","x":"\ufffd"}';
  assert.equal(check(payload).message?.payload, payload);
});

Deno.test("MessageCheck reads a Buffer like other bytes", () => {
  const messages = new MessageCheck({ maxMessageBytes: 60_000, commandTopicPrefix: "c/" });
  const payload = '{"device_id":"d","x":"ñ🚒"}';
  const whole = Buffer.from(`junk${payload}junk`);
  const part = whole.subarray(4, whole.length - 4);
  assert.equal(messages.check(part, { topic: "t" }).message?.payload, payload);
  const broken = Buffer.from(part);
  broken[broken.length - 3] = 0xff;
  assert.equal(messages.check(broken, { topic: "t" }).refusal, "not_utf8");
});

Deno.test("MessageCheck accepts a uuid that is a string or a number, only at the top level", () => {
  const uuid = (json: string) => check(`{"device_id":"d",${json}}`).message?.uuid;
  assert.equal(uuid('"uuid":" u "'), "u");
  assert.equal(uuid('"uuid":1.50'), "1.50");
  assert.equal(uuid('"uuid":""'), undefined);
  assert.equal(uuid('"uuid":null'), undefined);
  assert.equal(uuid('"uuid":["u"]'), undefined);
  assert.equal(uuid('"data":{"uuid":"u"}'), undefined);
});

Deno.test("MessageCheck returns the fingerprint of the forwarded payload if it has a uuid", () => {
  for (const x of ["x", "ñ🚒", "\ufffd", "a\\nb"]) {
    for (const [head, tail] of [["", ""], ["\ufeff", ""], ["\r\n", "\n"]]) {
      const { message } = check(`${head}{"device_id":"d","uuid":"u","x":"${x}"}${tail}`);
      assert.equal(message?.fingerprint, fingerprintOf(message!.payload));
    }
  }
  assert.equal(check('{"device_id":"d"}').message?.fingerprint, undefined);
});

Deno.test("MessageCheck survives a hundred thousand random messages", () => {
  const messages = new MessageCheck({ maxMessageBytes: 200, commandTopicPrefix: "c/" });
  const pieces = [
    '{"device_id":',
    '"d"',
    "17",
    "}",
    "{",
    "[",
    "\0",
    '"',
    ",",
    ":",
    "\n",
    "null",
    "é",
  ];
  const bytes = crypto.getRandomValues(new Uint8Array(64));
  for (let i = 0; i < 100_000; i++) {
    if (i % 2 === 0) {
      bytes[i % 64] = i & 255;
      messages.check(bytes.subarray(0, i % 65), { topic: "t" });
    } else {
      let text = "";
      for (let n = i % 7; n >= 0; n--) text += pieces[(i * 31 + n * n * 17) % pieces.length];
      messages.check(encode(text), { topic: "t" });
    }
  }
});
