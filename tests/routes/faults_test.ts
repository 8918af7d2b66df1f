/** Failures of a request: what the client gets, and what is logged. */

import assert from "node:assert/strict";
import { configure } from "@logtape/logtape";
import type { DeliveryQueue } from "../../broker/deliveries/queue.ts";
import { StoreFailure } from "../../broker/store/store_failure.ts";
import { closeLog, FORMATS, LOG_LIMIT } from "../../telemetry/log.ts";
import { LogLimit } from "../../telemetry/log_limit.ts";
import { Rig } from "./rig.ts";

/** The lines logged while `run` uses a server whose deliveries fail. */
async function logOf(fail: () => never, run: (rig: Rig) => Promise<void>): Promise<string[]> {
  const lines: string[] = [];
  await configure({
    reset: true,
    // Bounded as the program's own sink is.
    sinks: { memory: new LogLimit((record) => lines.push(FORMATS.json(record)), LOG_LIMIT).take },
    loggers: [
      { category: "telecast", lowestLevel: "warning", sinks: ["memory"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["memory"] },
    ],
  });
  const list = () => Promise.resolve().then(fail);
  const deliveries = { list, totals: {} } as unknown as DeliveryQueue;
  try {
    await using rig = await Rig.start({ deliveries });
    await run(rig);
  } finally {
    await closeLog();
  }
  return lines;
}

Deno.test("an internal error is a 500 without details, logged with its stack and without the query", async () => {
  const lines = await logOf(() => {
    const cause = new RangeError("http://host/?token=hidden");
    throw new TypeError("cannot read this", { cause });
  }, async (rig) => {
    const response = await rig.fetch("/api/v1/deliveries?state=dead&access_token=hidden");
    const text = await response.text();
    assert.equal(response.status, 500);
    assert.doesNotMatch(text, /cannot read|faults_test|hidden/);
    assert.equal(JSON.parse(text).code, "internal_error");
  });
  assert.equal(lines.length, 1);
  const { level, message } = JSON.parse(lines[0]!);
  assert.equal(level, "error");
  assert.match(
    message,
    /^GET \/api\/v1\/deliveries failed: TypeError: cannot read this\n +at .*faults_test/,
  );
  assert.match(message, /\[cause\]: RangeError: http:\/\/host\/\?…/);
  assert.doesNotMatch(message, /hidden/);
});

Deno.test("a repeated internal error does not fill the log", async () => {
  const lines = await logOf(() => {
    throw new TypeError("cannot read this");
  }, async (rig) => {
    for (let n = 0; n < 200; n++) {
      await (await rig.fetch(`/api/v1/deliveries?n=${n}`)).body?.cancel();
    }
  });
  assert.ok(lines.length > 0 && lines.length <= LOG_LIMIT.maxWarnings, `${lines.length}`);
});

Deno.test("an unavailable store is a 503, logged without a stack", async () => {
  const lines = await logOf(() => {
    throw new StoreFailure("no answer from http://kv/?token=hidden");
  }, async (rig) => {
    const response = await rig.fetch("/api/v1/deliveries");
    assert.deepEqual([response.status, response.headers.get("retry-after")], [503, "5"]);
    assert.equal((await response.json()).code, "store_away");
  });
  assert.deepEqual(lines.map((line) => JSON.parse(line).message), [
    "/api/v1/deliveries: the store does not answer: no answer from http://kv/?…",
  ]);
});
