/** The log output in a terminal, which `script` provides. */

import assert from "node:assert/strict";
import { freePort } from "../kit/ports.ts";
import { TestProcess } from "../kit/servers/process.ts";
import { startFlags } from "../kit/servers/telecast.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const COLOR = "\x1b[";

async function inTerminal(env: Record<string, string>): Promise<string> {
  const command = [Deno.execPath(), "run", "--no-prompt", ...await startFlags(), MAIN]
    .map((word) => `'${word}'`).join(" ");
  await using process = TestProcess.start("script", {
    args: ["-qec", `exec ${command}`, "/dev/null"],
    env: { PORT: String(freePort()), DENO_KV_URL: "memory:", TERM: "xterm", ...env },
  });
  await process.waitForOutput("ready: store");
  return process.output;
}

Deno.test("a terminal gets colored text, and plain text with NO_COLOR", async () => {
  const env = Deno.env.get("NO_COLOR");
  Deno.env.delete("NO_COLOR");
  try {
    const colored = await inTerminal({});
    assert.ok(colored.includes(COLOR), colored);
    const plain = await inTerminal({ NO_COLOR: "1" });
    assert.ok(!plain.includes(COLOR), plain);
    assert.match(plain, /INF.* sources: none/);
  } finally {
    if (env !== undefined) Deno.env.set("NO_COLOR", env);
  }
});

Deno.test("without a terminal, the output is JSON without colors", async () => {
  await using process = TestProcess.start(Deno.execPath(), {
    args: ["run", "--no-prompt", ...await startFlags(), MAIN],
    env: { PORT: String(freePort()), DENO_KV_URL: "memory:" },
  });
  await process.waitForOutput("ready: store");
  assert.ok(!process.stdout.includes(COLOR));
  for (const line of process.stdout.trim().split("\n")) JSON.parse(line);
});
