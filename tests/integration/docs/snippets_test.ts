/** Runs the code in the documents, unchanged except for the address. */

import { blocksOf, read } from "../../docs/markdown.ts";
import { eventually } from "../../kit/eventually.ts";
import { TestProcess } from "../../kit/servers/process.ts";
import { System } from "../../kit/system.ts";
import { TempDir } from "../../kit/temp_dir.ts";
import { BrowserPage, browserTest } from "./page.ts";

const DEVICE = "0848086072";
const PAYLOAD = JSON.stringify({ data: { DEVICE_ID: DEVICE, LATITUD: "+20.652472" } });
const PYTHON = `${Deno.env.get("HOME")}/.cache/telecast/venv/bin/python`;

/** Documents in which every JavaScript block is a complete client. */
const PAGES = [
  "README.md",
  "README.es.md",
  "docs/connect.md",
  "docs/migration/sse_to_websocket.md",
  "docs/migration/sse_to_websocket.es.md",
];
/** Makes console.log print objects as JSON; otherwise a test sees only their type. */
const SHOW_OBJECTS = `{
  const { log } = console;
  console.log = (...values) => log(JSON.stringify(values));
}`;
/** Marks blocks that show a single call with the reader's token. */
const FRAGMENT = /\[?"bearer\." \+ token\]?/;

async function snippets(path: string, language: string): Promise<string[]> {
  return blocksOf(await read(path)).filter((block) => block.language === language)
    .map(({ text }) => text).filter((text) => !FRAGMENT.test(text));
}

/** Publishes until the client shows a message: it does not report when it is connected. */
async function untilShown({ publisher }: System, what: string, shown: () => boolean) {
  await eventually(what, async () => {
    await publisher.publish("fleet", PAYLOAD);
    return shown();
  }, { timeoutMs: 20_000, intervalMs: 200 });
}

for (const path of PAGES) {
  browserTest(`the JavaScript of ${path} shows messages in Chromium`, async () => {
    await using system = await System.start();
    const codes = await snippets(path, "js");
    if (codes.length === 0) throw new Error(`${path} no longer has JavaScript`);
    for (const [i, code] of codes.entries()) {
      await using browser = await BrowserPage.open(`${system.telecast.url}/livez`);
      const here = code.replaceAll("127.0.0.1:8000", `127.0.0.1:${system.telecast.port}`);
      await browser.page.addScriptTag({ content: SHOW_OBJECTS });
      await browser.page.addScriptTag({ content: here, type: "module" });
      await untilShown(system, `block ${i + 1} of ${path}:\n${here}\n${browser.log}`, () => {
        const faults = browser.log.filter((line) => line.startsWith("pageerror"));
        if (faults.length > 0) throw new Error(faults.join("\n"));
        return browser.log.some((line) => line.includes('"LATITUD":"+20.652472"'));
      });
    }
  });
}

for (const path of ["README.md", "README.es.md"]) {
  Deno.test(`the Python of ${path} prints messages`, async () => {
    await using system = await System.start();
    await using dir = await TempDir.create();
    for (const code of await snippets(path, "python")) {
      const here = code.replaceAll("127.0.0.1:8000", `127.0.0.1:${system.telecast.port}`);
      await using client = TestProcess.start(PYTHON, {
        args: ["-u", await dir.write("client.py", here)],
      });
      await untilShown(system, "the client's output", () => {
        if (client.status) throw new Error(client.output);
        return client.output.includes("'LATITUD': '+20.652472'");
      });
      client.kill();
    }
  });
}
