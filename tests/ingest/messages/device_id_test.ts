import assert from "node:assert/strict";
import { MessageCheck } from "../../../ingest/messages/check.ts";
import type { Origin } from "../../../ingest/messages/origin.ts";

interface Case {
  readonly title: string;
  readonly json: string;
  /** Undefined: the message has none. */
  readonly id: string | undefined;
  readonly topic?: string;
  readonly key?: string;
  readonly path?: readonly string[];
}

const CASES: readonly Case[] = [
  { title: "data.DEVICE_ID", json: '{"data":{"DEVICE_ID":"0848086072"}}', id: "0848086072" },
  {
    title: "data.DEVICE_ID before device_id and empresa",
    json: '{"empresa":"e","device_id":"d","data":{"DEVICE_ID":"t"}}',
    id: "t",
  },
  { title: "device_id before empresa", json: '{"empresa":"e","device_id":"d"}', id: "d" },
  { title: "device_id if data has none", json: '{"device_id":"d","data":{"x":1}}', id: "d" },
  { title: "device_id if data is text", json: '{"device_id":"d","data":"DEVICE_ID"}', id: "d" },
  { title: "device_id if data is null", json: '{"device_id":"d","data":null}', id: "d" },
  { title: "empresa", json: '{"tipo_mensaje":"semaforos","empresa":"cota"}', id: "cota" },
  {
    title: "the topic of a message with tipo_mensaje",
    json: '{"tipo_mensaje":"heartbeat"}',
    topic: "empresas/cota/boton1",
    id: "empresas/cota/boton1",
  },
  {
    title: "no topic without tipo_mensaje",
    json: '{"x":1}',
    topic: "empresas/cota",
    id: undefined,
  },
  {
    title: "no topic if tipo_mensaje is null",
    json: '{"tipo_mensaje":null}',
    topic: "a",
    id: undefined,
  },
  { title: "the record's key", json: '{"x":1}', key: "k7", id: "k7" },
  { title: "the payload before the record's key", json: '{"device_id":"d"}', key: "k7", id: "d" },
  { title: "nothing from an empty record key", json: '{"x":1}', key: " ", id: undefined },
  {
    title: "the command topic",
    json: '{"reboot":true}',
    topic: "bombercat/commands/B-1",
    id: "B-1",
  },
  {
    title: "the command topic before the payload",
    json: '{"device_id":"d"}',
    topic: "bombercat/commands/B-1",
    id: "B-1",
  },
  {
    title: "the payload if the command topic names no device",
    json: '{"device_id":"d"}',
    topic: "bombercat/commands/",
    id: "d",
  },
  {
    title: "the configured path",
    json: '{"device_id":"d","gps":{"unit":{"imei":"86"}}}',
    path: ["gps", "unit", "imei"],
    id: "86",
  },
  {
    title: "nothing but the configured path",
    json: '{"device_id":"d"}',
    path: ["imei"],
    id: undefined,
  },
  {
    title: "a number at the configured path",
    json: '{"gps":{"imei":860000000000000001}}',
    path: ["gps", "imei"],
    id: "860000000000000001",
  },
  { title: "an id without outer whitespace", json: '{"device_id":" \\t a b \\n"}', id: "a b" },
  {
    title: "the next place after an empty id",
    json: '{"data":{"DEVICE_ID":"  "},"device_id":"d"}',
    id: "d",
  },
  {
    title: "the next place after null",
    json: '{"data":{"DEVICE_ID":null},"device_id":"d"}',
    id: "d",
  },
  { title: "the next place after true", json: '{"device_id":true,"empresa":"e"}', id: "e" },
  { title: "the next place after an object", json: '{"device_id":{"a":1},"empresa":"e"}', id: "e" },
  { title: "the next place after a list", json: '{"device_id":["a"],"empresa":"e"}', id: "e" },
  { title: "a number", json: '{"device_id":42}', id: "42" },
  { title: "zero", json: '{"device_id":0}', id: "0" },
  { title: "a negative zero as written", json: '{"device_id":-0}', id: "-0" },
  {
    title: "a number beyond 2^53 as written",
    json: '{"data":{"DEVICE_ID":12345678901234567890}}',
    id: "12345678901234567890",
  },
  { title: "1.0 as written", json: '{"device_id":1.0}', id: "1.0" },
  {
    title: "1e3 as written, beside the text 1000",
    json: '{"a":":1000,","device_id":1e3}',
    id: "1e3",
  },
  {
    title: "the last of two equal fields, as JSON.parse takes it",
    json: '{"device_id":1.50,"device_id":2.50}',
    id: "2.50",
  },
  {
    title: "its own number, not that of a field with the same name",
    json: '{"x":{"device_id":9.0},"device_id":7.0}',
    id: "7.0",
  },
  { title: "emoji", json: '{"device_id":"🚒-1"}', id: "🚒-1" },
  { title: "an escape", json: '{"device_id":"\\u0041\\ud83d\\ude92"}', id: "A🚒" },
  { title: "half a surrogate pair, replaced", json: '{"device_id":"a\\ud83d"}', id: "a\ufffd" },
  {
    title: "no field inherited from Object",
    json: '{"x":1}',
    path: ["constructor", "name"],
    id: undefined,
  },
  { title: "no field named __proto__", json: '{"__proto__":{"device_id":"p"}}', id: undefined },
];

const idOf = ({ json, topic = "t", key, path }: Omit<Case, "title" | "id">) => {
  const check = new MessageCheck({
    maxMessageBytes: 60_000,
    commandTopicPrefix: "bombercat/commands/",
    deviceIdPath: path,
  });
  const origin: Origin = { topic, key };
  return check.check(new TextEncoder().encode(json), origin);
};

for (const example of CASES) {
  Deno.test(`deviceIdOf() takes ${example.title}`, () => {
    const checked = idOf(example);
    assert.equal(checked.message?.deviceId, example.id);
    if (example.id === undefined) assert.equal(checked.refusal, "no_device_id");
  });
}

Deno.test("deviceIdOf() counts the 128 characters as code points", () => {
  for (const letter of ["a", "ñ", "🚒"]) {
    assert.equal(
      idOf({ json: `{"device_id":"${letter.repeat(128)}"}` }).message?.deviceId.length,
      128 * letter.length,
    );
    assert.equal(
      idOf({ json: `{"device_id":"${letter.repeat(129)}"}` }).refusal,
      "device_id_too_long",
    );
  }
  assert.equal(idOf({ json: `{"device_id":"${" ".repeat(200)}a"}` }).message?.deviceId, "a");
  assert.equal(
    idOf({ json: '{"tipo_mensaje":"estado"}', topic: "a/".repeat(70) }).refusal,
    "device_id_too_long",
  );
});

Deno.test("deviceIdOf() takes a number from a message nested too deep for a reviver", () => {
  const json = `{"device_id":17,"x":${"[".repeat(25_000)}${"]".repeat(25_000)}}`;
  assert.equal(idOf({ json }).message?.deviceId, "17");
});
