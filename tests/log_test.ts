import assert from "node:assert/strict";
import { configure } from "@logtape/logtape";
import { BoundedLog, closeLog, FORMATS, getLogger } from "../log.ts";
import { VirtualTime } from "./server/virtual_time.ts";

/** What `write` logs, as lines of a file. */
async function logged(
  format: "json" | "text",
  write: (log: ReturnType<typeof getLogger>) => void,
): Promise<string[]> {
  let text = "";
  await configure({
    reset: true,
    sinks: { memory: (record) => void (text += FORMATS[format](record)) },
    loggers: [
      { category: "telecast", lowestLevel: "debug", sinks: ["memory"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["memory"] },
    ],
  });
  write(getLogger("part", "piece"));
  await closeLog();
  return text.trimEnd().split("\n");
}

Deno.test("log: text has timestamp, level, module and message in one line", async () => {
  const [line, ...more] = await logged("text", (log) =>
    log.info("taken {n} of {name}", {
      n: 5,
      name: "A",
    }));
  assert.match(line!, /^\d{4}-\d\d-\d\dT[\d:.]+Z \[INF\] telecast\.part\.piece: taken 5 of A$/);
  assert.deepEqual(more, []);
});

Deno.test("log: JSON has the same as keys", async () => {
  const [line] = await logged("json", (log) =>
    log.error("failed: {error}", {
      error: new Error("why"),
    }));
  const { timestamp, ...rest } = JSON.parse(line!);
  assert.match(timestamp, /^\d{4}-\d\d-\d\dT/);
  assert.deepEqual(rest, { level: "error", module: "telecast.part.piece", message: "failed: why" });
});

Deno.test("log: what a client or a device sends can neither forge a line nor paint the terminal", async () => {
  const evil = "A\n2026-01-01T00:00:00Z [INF] telecast: forged\r\x1b[2J\x07\u0085\u2028{n}";
  for (const format of ["text", "json"] as const) {
    const lines = await logged(format, (log) => {
      log.warning("device {id}", { id: evil });
      log.warning("failed: {error}", { error: new Error(evil) });
      log.warning("{list}", { list: [evil] });
    });
    assert.equal(lines.length, 3);
    for (const line of lines) {
      // deno-lint-ignore no-control-regex -- that is what must not be there
      assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f\u2028\u2029]/);
      assert.match(line, /forged/);
      assert.match(line, /\{n\}/);
    }
    if (format === "json") assert.equal(JSON.parse(lines[0]!).message, `device ${evil}`);
  }
});

Deno.test("BoundedLog lets some lines through, and tells later how many were held back", async () => {
  using time = new VirtualTime();
  const lines: string[] = [];
  const log = new BoundedLog((text) => lines.push(text), { intervalMs: 50, maxLines: 2 });
  for (let i = 0; i < 1000; i++) log.line(i % 2 === 0 ? "even" : "odd", () => `line ${i}`);
  assert.deepEqual(lines.splice(0), ["line 0", "line 1"]);
  log.flush();
  assert.deepEqual(lines, []);
  await time.pass(50);
  log.flush();
  assert.deepEqual(lines.splice(0), ["even: 499 more like it", "odd: 499 more like it"]);
  log.line("even", () => "again");
  assert.deepEqual(lines, ["again"]);
});

Deno.test("BoundedLog holds few keys, however many there are", async () => {
  using time = new VirtualTime();
  const lines: string[] = [];
  const log = new BoundedLog((text) => lines.push(text), { intervalMs: 50, maxLines: 0 });
  for (let i = 0; i < 10_000; i++) log.line(`key ${i}`, () => "line");
  await time.pass(50);
  log.flush();
  assert.equal(lines.length, 100);
});
