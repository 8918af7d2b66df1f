import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { fingerprintOf } from "../../../broker/messages/fingerprint.ts";
import { MessageCheck } from "../../../ingest/messages/check.ts";
import { BatchingIntake, DEFAULT_LIMITS } from "../../../ingest/runtime/intake.ts";
import type { IntakeLimits } from "../../../ingest/runtime/protocol.ts";
import type { Batch } from "../../../ingest/runtime/protocol.ts";
import { eventually } from "../../kit/eventually.ts";

interface Posted {
  readonly number: number;
  readonly messages: Batch;
}

function intakeWith(limits: Partial<IntakeLimits> = {}) {
  const posted: Posted[] = [];
  const refused: string[] = [];
  const noWork: string[] = [];
  const drops: [number, string][] = [];
  const intake = new BatchingIntake({
    check: new MessageCheck({ maxMessageBytes: 60_000, commandTopicPrefix: "c/" }),
    limits: { ...DEFAULT_LIMITS, ...limits },
    post: (number, messages) => posted.push({ number, messages }),
    onRefused: (refusal) => refused.push(refusal),
    onNoWork: (reason) => noWork.push(reason),
    onDropped: (count, reason) => drops.push([count, reason]),
    log: () => {},
  });
  const acks: string[] = [];
  const receive = (name: string, json = `{"device_id":"${name}"}`) =>
    intake.receive(new TextEncoder().encode(json), { topic: "t" }, () => acks.push(name));
  return { intake, posted, refused, noWork, drops, acks, receive };
}

const turn = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
Deno.test("BatchingIntake posts the messages of a turn as one batch, without a timer", async () => {
  const { posted, receive } = intakeWith();
  const start = performance.now();
  receive("a");
  receive("b");
  assert.equal(posted.length, 0);
  await eventually("the batch", () => posted.length === 1, { intervalMs: 0 });
  assert.ok(performance.now() - start < 100);
  assert.deepEqual(posted[0], {
    number: 1,
    messages: { deviceIds: ["a", "b"], payloads: ['{"device_id":"a"}', '{"device_id":"b"}'] },
  });
});

Deno.test("BatchingIntake posts a full batch at once", () => {
  const { posted, receive } = intakeWith({ maxBatchMessages: 3 });
  for (const name of "abcdefg") receive(name);
  assert.deepEqual(posted.map(({ messages }) => messages.deviceIds.join("")), ["abc", "def"]);
});

Deno.test("BatchingIntake pads fingerprints and jobs and posts source offset runs", async () => {
  const { posted, intake } = intakeWith();
  const sourceOffset = { key: ["kafka", "g", "t", "0"], offset: 7 };
  const bytes = (json: string) => new TextEncoder().encode(json);
  intake.receive(bytes('{"device_id":"a"}'), { topic: "t" });
  intake.receive(bytes('{"device_id":"b","uuid":"u"}'), { topic: "t", sourceOffset });
  intake.receive(bytes('{"device_id":"c"}'), { topic: "t" });
  await eventually("the batch", () => posted.length === 1);
  const { fingerprints, sourceOffsets, jobs } = posted[0]!.messages;
  assert.deepEqual(fingerprints, [
    undefined,
    fingerprintOf('{"device_id":"b","uuid":"u"}'),
    undefined,
  ]);
  assert.deepEqual(sourceOffsets, [{ key: sourceOffset.key, from: 1, offsets: [7] }]);
  assert.equal(jobs, undefined);
});

Deno.test("BatchingIntake acks in the order of arrival, including refused messages", () => {
  const { intake, posted, acks, refused, receive } = intakeWith({ maxBatchMessages: 2 });
  receive("bad0", "nonsense");
  assert.deepEqual(acks, ["bad0"], "nothing comes before it, so it does not wait");
  receive("a");
  receive("bad1", "[]");
  receive("b");
  receive("bad2", "");
  receive("c");
  receive("d");
  assert.equal(posted.length, 2);
  assert.deepEqual(acks, ["bad0"]);
  intake.stored(1);
  assert.deepEqual(acks, ["bad0", "a", "bad1", "b", "bad2"]);
  intake.stored(2);
  assert.deepEqual(acks, ["bad0", "a", "bad1", "b", "bad2", "c", "d"]);
  assert.deepEqual(refused, ["not_json", "not_an_object", "not_json"]);
  assert.deepEqual(intake.counters, { received: 7, malformed: 3, dropped: 0, reconnects: 0 });
});

Deno.test("BatchingIntake calls a shared ack with the position of the last message", () => {
  const { intake, posted } = intakeWith({ maxBatchMessages: 3 });
  const calls: string[] = [];
  const [one, two] = ["one", "two"].map((name) => (position: number) =>
    calls.push(`${name} ${position}`)
  );
  const receive = (ack: typeof one, position: number, json = '{"device_id":"d"}') =>
    intake.receive(new TextEncoder().encode(json), { topic: "t" }, ack, position);
  receive(one, 1);
  receive(one, 2);
  receive(two, 1);
  receive(two, 2, "refused");
  receive(one, 3);
  intake.flush();
  assert.deepEqual([posted.length, calls], [2, []]);
  intake.stored(1);
  assert.deepEqual(calls, ["one 2", "two 2"]);
  intake.stored(2);
  assert.deepEqual(calls, ["one 2", "two 2", "one 3"]);
  receive(two, 4, "refused");
  assert.deepEqual(calls.at(-1), "two 4", "nothing comes before it");
});

Deno.test("BatchingIntake acks all batches up to the stored one", () => {
  const { intake, acks, receive } = intakeWith({ maxBatchMessages: 1 });
  for (const name of "abc") receive(name);
  intake.stored(2);
  assert.deepEqual(acks, ["a", "b"]);
  intake.stored(2);
  assert.deepEqual(acks, ["a", "b"]);
  intake.stored(3);
  assert.deepEqual(acks, ["a", "b", "c"]);
});

Deno.test("BatchingIntake posts no more batches than it has credits", async () => {
  const { intake, posted, receive } = intakeWith({ maxBatchMessages: 1, maxBatches: 2 });
  for (const name of "abcd") receive(name);
  assert.equal(posted.length, 2);
  let credit = false;
  intake.ready()!.then(() => credit = true);
  intake.stored(1);
  assert.equal(posted.length, 3, "a batch that is full takes the credit that came back");
  await turn();
  assert.equal(credit, false, "d still waits for its own credit");
  intake.stored(3);
  await turn();
  assert.equal(credit, true);
  assert.equal(posted.length, 4);
  assert.equal(intake.ready(), undefined);
});

Deno.test("BatchingIntake has no credit while too many bytes wait", async () => {
  const { intake, posted, receive } = intakeWith({ maxBytes: 30 });
  receive("a");
  assert.equal(intake.ready(), undefined);
  receive("b");
  const ready = intake.ready();
  assert.ok(ready);
  await eventually("the batch", () => posted.length === 1);
  intake.stored(1);
  await ready;
  assert.equal(intake.ready(), undefined);
});

Deno.test("BatchingIntake collects messages while several batches are posted", async () => {
  const { intake, posted, receive } = intakeWith({ eagerBatches: 2, maxBatchMessages: 4 });
  for (const name of "ab") {
    receive(name);
    await eventually("the batch", () => posted.at(-1)?.messages.deviceIds[0] === name);
  }
  for (const name of "cde") {
    receive(name);
    await turn();
  }
  assert.equal(posted.length, 2);
  receive("f");
  assert.equal(posted.length, 3, "a full batch does not wait");
  assert.equal(posted[2]!.messages.deviceIds.join(""), "cdef");
  receive("g");
  await turn();
  assert.equal(posted.length, 3);
  intake.stored(2);
  assert.equal(posted.length, 4, "a returned credit posts the collected messages");
});

Deno.test("BatchingIntake counts what the source drops", () => {
  const { intake, drops } = intakeWith();
  intake.dropped(3, "no room");
  assert.equal(intake.counters.dropped, 3);
  assert.deepEqual(drops, [[3, "no room"]]);
});

Deno.test("BatchingIntake makes jobs of valid panic button messages and streams all", async () => {
  const { intake, posted, noWork, receive } = intakeWith();
  receive("good", '{"tipo_mensaje":"semaforos","tipo_alarma":"AZUL","empresa":"cota"}');
  receive("bad", '{"tipo_mensaje":"semaforos","empresa":"cota"}');
  receive("unknown", '{"tipo_mensaje":"otro"}');
  await eventually("the batch", () => posted.length === 1);
  const { deviceIds, jobs } = posted[0]!.messages;
  assert.deepEqual(deviceIds, ["cota", "cota", "t"]);
  assert.deepEqual(jobs?.map((job) => job?.partition), ["cota", undefined, undefined]);
  assert.deepEqual(noWork, [
    "fields missing or wrong: tipo_alarma",
    "tipo_mensaje is not known",
  ]);
  assert.equal(intake.counters.malformed, 2);
});
