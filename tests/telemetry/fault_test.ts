import assert from "node:assert/strict";
import { configure, dispose } from "@logtape/logtape";
import { attempt, logFault } from "../../telemetry/fault.ts";

Deno.test("logFault() logs the stack and the causes, and a flood of faults is a few lines", async () => {
  const lines: string[] = [];
  await configure({
    reset: true,
    sinks: { memory: ({ level, message }) => void lines.push(`${level} ${message.join("")}`) },
    loggers: [{ category: "telecast", lowestLevel: "debug", sinks: ["memory"] }],
  });
  const cause = new RangeError("why");
  assert.equal(attempt("this works", () => {}), true);
  assert.equal(
    attempt("that broke", () => {
      throw new TypeError("how", { cause });
    }),
    false,
  );
  for (let i = 0; i < 1000; i++) logFault("that broke", cause);
  await dispose();
  assert.match(lines[0]!, /^error that broke: TypeError: how\n +at .*fault_test\.ts/);
  assert.match(lines[0]!, /\[cause\]: RangeError: why/);
  assert.equal(lines.length, 10);
});
