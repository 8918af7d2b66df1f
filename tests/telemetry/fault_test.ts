import assert from "node:assert/strict";
import { configure, dispose } from "@logtape/logtape";
import { attempt } from "../../telemetry/fault.ts";

Deno.test("attempt() logs a fault with its stack and causes, and does not throw", async () => {
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
  await dispose();
  assert.match(lines[0]!, /^error that broke: TypeError: how\n +at .*fault_test\.ts/);
  assert.match(lines[0]!, /\[cause\]: RangeError: why/);
  assert.equal(lines.length, 1);
});
