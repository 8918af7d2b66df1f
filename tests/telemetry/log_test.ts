import assert from "node:assert/strict";
import { configure, type LogRecord } from "@logtape/logtape";
import { logFault } from "../../telemetry/fault.ts";
import { closeLog, FORMATS, getLogger, reasonOf } from "../../telemetry/log.ts";
import { LogLimit } from "../../telemetry/log_limit.ts";

/** The lines that `write` logs. */
async function logged(
  format: "json" | "text",
  write: (log: ReturnType<typeof getLogger>) => void,
  module = "piece",
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
  write(getLogger("part", module));
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

Deno.test("log: text from clients and devices can neither forge a line nor control the terminal", async () => {
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

Deno.test("log: queries of URLs and passwords are removed, wherever they appear", async () => {
  const secrets = [
    "http://host:9/x?token=hidden",
    "https://host/x?access_token=hidden&a=b#c",
    "mqtt://user:hidden@host:1883",
    "wss://hidden@host/x",
    "/api/v1/stream?device_ids=a&access_token=hidden",
    "error sending request for url (http://host/?key=hidden): client error (Connect)",
    "Invalid URL: 'http://a:99999/?token=hidden'",
    '{"url":"http://host/?token=hidden"}',
    "http://host/?where=a=='b'&f=(c)&access_token=hidden",
    "http://host/#access_token=hidden",
  ];
  for (const format of ["text", "json"] as const) {
    for (const secret of secrets) {
      const cause = new TypeError(secret, { cause: secret });
      const lines = await logged(format, (log) => {
        log.warning("{text}", { text: secret });
        log.warning("{error}", { error: new Error(secret) });
        log.warning("{object}", { object: { url: secret, list: [secret] } });
        logFault("it broke", new Error(secret, { cause }));
        log.warning("{reason}", { reason: reasonOf(secret) });
      }, `${format} ${secrets.indexOf(secret)}`);
      assert.doesNotMatch(lines.join("\n"), /hidden/, secret);
    }
  }
  const [kept] = await logged(
    "text",
    (log) => log.info("{text}", { text: "is it? http://h:1/x yes" }),
  );
  assert.match(kept!, /is it\? http:\/\/h:1\/x yes$/);
});

Deno.test("log: a bug is logged with its stack and causes, and no part of it can be forged", async () => {
  const forged = "x\n    at forged (evil.ts:1:1)\n2026-01-01T00:00:00Z [INF] telecast: forged";
  const cause = new RangeError("the cause", { cause: "no error" });
  const error = new TypeError(forged, { cause });
  const [first, ...frames] = await logged("text", () => logFault("it broke", error));
  assert.match(first!, /\[ERR\] telecast\.fault: it broke: TypeError: x\\u000a {4}at forged/);
  assert.ok(frames.every((line) => /^ +at |^ {2}\[cause\]: /.test(line)), frames.join("\n"));
  assert.ok(frames.some((line) => /^ +at .*log_test\.ts/.test(line)));
  assert.ok(frames.some((line) => line === "  [cause]: RangeError: the cause"));
  assert.equal(frames.at(-1), "  [cause]: no error");
  const lines = await logged("json", () => logFault("it broke", error));
  assert.equal(lines.length, 1);
  const { level, message } = JSON.parse(lines[0]!);
  assert.equal(level, "error");
  assert.match(
    message,
    /^it broke: TypeError: x[^]*\n +at .*log_test\.ts[^]*\[cause\]: RangeError/,
  );
});

Deno.test("log: an expected failure is one line with only its message", async () => {
  const lines = await logged("text", (log) => {
    log.error("the store is down: {reason}", { reason: reasonOf(new Error("timeout")) });
  });
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /: the store is down: timeout$/);
});

Deno.test("log: the length of values is limited, and so are the frames and causes of errors", async () => {
  const deep = (depth: number): unknown =>
    depth === 0 ? "end" : new Error("x".repeat(9_000), { cause: deep(depth - 1) });
  const loop = new Error("round");
  loop.cause = loop;
  const recurse = (n: number): unknown =>
    n === 0 ? (null as unknown as { x: number }).x : recurse(n - 1);
  let stack: unknown;
  try {
    recurse(200);
  } catch (error) {
    stack = error;
  }
  for (const fault of [deep(50), loop, stack]) {
    const lines = await logged("text", (log) => {
      log.warning("{text}", { text: "x".repeat(1_000_000) });
      logFault("it broke", fault);
    }, "bounds");
    assert.ok(lines.length < 120 && lines.every((line) => line.length < 2_200), `${lines.length}`);
  }
});

Deno.test("log: lines of a template above the limit are held back, counted, and reported after the interval", () => {
  let now = 0;
  const written: string[] = [];
  const record = (rawMessage: string, n: number): LogRecord => ({
    category: ["telecast", "a"],
    level: "info",
    rawMessage,
    message: [rawMessage.replace("{n}", String(n))],
    timestamp: 0,
    properties: { n },
  });
  const write = ({ message }: LogRecord) => void written.push(message.join(""));
  using limit = new LogLimit(write, {
    maxLines: 3,
    maxWarnings: 1,
    intervalMs: 10_000,
    now: () => now,
  });
  for (let n = 0; n < 1_000; n++) limit.take(record("flood {n}", n));
  limit.take(record("other {n}", 1));
  assert.deepEqual(written.splice(0), ["flood 0", "flood 1", "flood 2", "other 1"]);
  now = 10_000;
  limit.take(record("flood {n}", 1_000));
  assert.deepEqual(written.splice(0), ["997 more like: flood {n}", "flood 1000"]);
  for (let n = 0; n < 5; n++) limit.take(record("flood {n}", n));
  for (let n = 0; n < 5; n++) limit.take({ ...record("broken {n}", n), level: "error" });
  limit[Symbol.dispose]();
  assert.deepEqual(written.splice(0).slice(-3), [
    "broken 0",
    "3 more like: flood {n}",
    "4 more like: broken {n}",
  ]);
  for (let n = 0; n < 10_000; n++) limit.take(record(`made at run time ${n}`, n));
  assert.ok(written.length <= 1_003, "templates are few");
});

Deno.test("no log call gets a raw error: an error is either expected or a fault", async () => {
  const wrong: string[] = [];
  for await (const path of sources(new URL("../../", import.meta.url))) {
    const text = await Deno.readTextFile(path);
    for (const [found] of text.matchAll(/(?<!\$)\{(error|cause)\}[^;]*/g)) {
      wrong.push(`${path.pathname}: ${found.slice(0, 60)}`);
    }
  }
  assert.deepEqual(wrong, [], "use reasonOf(error) or logFault()");
});

/** The program's own sources. */
async function* sources(folder: URL): AsyncGenerator<URL> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (/^(\.|tests$|node_modules$|packages$)/.test(name)) continue;
    if (isDirectory) yield* sources(new URL(`${name}/`, folder));
    else if (name.endsWith(".ts")) yield new URL(name, folder);
  }
}
