import assert from "node:assert/strict";
import { TelemetryBatcher } from "../../../ingest/aws_iot/telemetry_batcher.ts";
import type { Receipt } from "../../../ingest/aws_iot/outbox_item.ts";
import { ManualClock } from "./manual_clock.ts";

function batcher() {
  const clock = new ManualClock(1_000);
  const sent: [string, string][] = [];
  const answers: PromiseWithResolvers<Receipt>[] = [];
  const batcher = new TelemetryBatcher({ maxMs: 100, maxMessages: 3 }, clock, (id, { text }) => {
    sent.push([id, text]);
    const answer = Promise.withResolvers<Receipt>();
    answers.push(answer);
    return answer.promise;
  });
  return { clock, sent, answers, batcher };
}

Deno.test("TelemetryBatcher sends a device's data in one batch, in order", async () => {
  const { clock, sent, answers, batcher: one } = batcher();
  const receipts = [one.add("A", { n: 1 }), one.add("B", { n: 2 })];
  clock.advance(50);
  receipts.push(one.add("A", { n: 3 }));
  assert.deepEqual(sent, []);
  clock.advance(50);
  await Promise.resolve();
  assert.deepEqual(sent, [
    ["A", '[{"timestamp":1.000,"data":{"n":1}},{"timestamp":1.050,"data":{"n":3}}]'],
    ["B", '[{"timestamp":1.000,"data":{"n":2}}]'],
  ]);
  for (const answer of answers) answer.resolve("published");
  assert.deepEqual(await Promise.all(receipts), ["published", "published", "published"]);
});

Deno.test("TelemetryBatcher sends a full batch at once and then starts a new one", async () => {
  const { clock, sent, batcher: one } = batcher();
  for (let n = 0; n < 4; n++) one.add("A", { n });
  assert.equal(sent.length, 1);
  clock.advance(100);
  await Promise.resolve();
  assert.equal(sent.length, 2);
  one.add("A", { n: 5 });
  one.flush();
  assert.equal(sent.length, 3);
  assert.deepEqual(clock.waits, []);
});

Deno.test("TelemetryBatcher rejects every message of a batch that was not delivered", async () => {
  const { answers, batcher: one } = batcher();
  const receipts = [one.add("A", {}), one.add("A", {})].map((receipt) => receipt.catch(String));
  one.flush();
  answers[0]!.reject(new Error("no"));
  assert.deepEqual(await Promise.all(receipts), ["Error: no", "Error: no"]);
});
