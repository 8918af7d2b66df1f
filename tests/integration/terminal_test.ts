/** What somebody sees who starts Telecast in a terminal: `script` gives it one. */

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

Deno.test("a terminal gets text in colors, and none with NO_COLOR", async () => {
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

Deno.test("what is no terminal gets JSON, and no color", async () => {
  await using process = TestProcess.start(Deno.execPath(), {
    args: ["run", "--no-prompt", ...await startFlags(), MAIN],
    env: { PORT: String(freePort()), DENO_KV_URL: "memory:" },
  });
  await process.waitForOutput("ready: store");
  assert.ok(!process.stdout.includes(COLOR));
  for (const line of process.stdout.trim().split("\n")) JSON.parse(line);
});
