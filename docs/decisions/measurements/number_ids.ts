/**
 * What JSON.parse makes of numbers, and what keeping their text costs.
 * deno run docs/decisions/measurements/number_ids.ts
 */

import { MessageCheck } from "../../../ingest/messages/check.ts";

const COUNT = 200_000;
const out: string[] = [];
const check = new MessageCheck({ commandTopicPrefix: "", maxMessageBytes: 60_000 });
const encode = (text: string) => new TextEncoder().encode(text);
const payload = (id: string) =>
  `{"data":{"DEVICE_ID":${id},"LATITUD":"+20.652472","LONGITUD":"-100.391423","SPEED":"0.00",` +
  `"GPS_DATETIME":"2026-01-18 00:51:16","ENGINE_STATUS":"OFF","SATELLITES":"9"},` +
  `"decoded":{"type":"status"},"metadata":{"source":"x"},"raw":"STT;1;2;3;4;5;6;7;8;9"}`;

for (const id of ["12345678901234567890", "1.0", "1e3", "0848086072"]) {
  let parsed: string;
  try {
    parsed = String(JSON.parse(id));
  } catch {
    parsed = "no JSON";
  }
  const { message, refusal } = check.check(encode(payload(id)), { topic: "t" });
  out.push(`${id}: JSON.parse ${parsed}, device id ${message?.deviceId ?? refusal}`);
}
for (const id of ['"848086072"', "848086072"]) {
  const bytes = encode(payload(id));
  for (let i = 0; i < COUNT; i++) check.check(bytes, { topic: "t" });
  const start = performance.now();
  for (let i = 0; i < COUNT; i++) check.check(bytes, { topic: "t" });
  const us = (performance.now() - start) / COUNT * 1000;
  out.push(`id ${id}, ${bytes.length} bytes: checked in ${us.toFixed(1)} µs`);
}
await Deno.stdout.write(encode(out.join("\n") + "\n"));
