/** Runs the programs under examples/ across a restart of the server. */

import assert from "node:assert/strict";
import { eventually } from "../../kit/eventually.ts";
import { TestProcess } from "../../kit/servers/process.ts";
import { System } from "../../kit/system.ts";
import { TempDir } from "../../kit/temp_dir.ts";
import { BrowserPage, browserTest } from "./page.ts";

const DEVICE = "0848086072";
const PYTHON = `${Deno.env.get("HOME")}/.cache/telecast/venv/bin/python`;
const path = (name: string) => new URL(`../../../${name}`, import.meta.url).pathname;

const publish = ({ publisher }: System, seq: number) =>
  publisher.publish("fleet", JSON.stringify({ data: { DEVICE_ID: DEVICE, SEQ: seq } }));

async function subscribers({ telecast }: System, count: number): Promise<void> {
  await eventually(`${count} clients`, async () => {
    return (await telecast.json("/api/v1/stream/stats")).active_subscribers >= count;
  }, { timeoutMs: 40_000 });
}

/** Publishes before, during and after a restart; `seen` returns what the client received. */
async function survivesRestart(
  system: System,
  seen: () => number[] | Promise<number[]>,
  clients = 1,
): Promise<void> {
  const has = (wanted: number[]) =>
    eventually(`the messages ${wanted}`, async () => {
      const got = await seen();
      assert.deepEqual(got, wanted);
      return true;
    }, { timeoutMs: 30_000 });
  await subscribers(system, clients);
  await publish(system, 1);
  await has([1]);
  await system.telecast.kill("SIGTERM");
  await publish(system, 2);
  await system.telecast.start();
  await system.telecast.waitForSource();
  await has([1, 2]);
  await subscribers(system, clients);
  await publish(system, 3);
  await has([1, 2, 3]);
}

const seqsOf = (process: TestProcess) => () =>
  [...process.stdout.matchAll(/"SEQ": ?(\d+)/g)].map(([, seq]) => Number(seq));

Deno.test("examples/python/stream.py misses nothing across a restart", async () => {
  await using system = await System.start();
  await using client = TestProcess.start(PYTHON, {
    args: [path("examples/python/stream.py"), `ws://127.0.0.1:${system.telecast.port}`, DEVICE],
  });
  await survivesRestart(system, seqsOf(client));
  assert.doesNotMatch(client.output, /Traceback|some missed messages/);
  client.kill("SIGINT");
  await client.waitForExit();
  assert.doesNotMatch(client.output, /Traceback/);
});

Deno.test("examples/python/stream.py ends if the server refuses its parameters", async () => {
  await using system = await System.start();
  await using client = TestProcess.start(PYTHON, {
    args: [path("examples/python/stream.py"), `ws://127.0.0.1:${system.telecast.port}`, ","],
  });
  const { code } = await client.waitForExit();
  assert.equal(code, 1);
  assert.match(client.output, /^device_ids_required: /m);
  assert.doesNotMatch(client.output, /Traceback/);
});

Deno.test("examples/node/stream.mjs misses nothing across a restart, in Node and in Deno", async () => {
  await using system = await System.start();
  const args = [path("examples/node/stream.mjs"), system.telecast.url, DEVICE];
  await using node = TestProcess.start("node", { args });
  await using deno = TestProcess.start(Deno.execPath(), { args: ["run", "--allow-net", ...args] });
  await subscribers(system, 2);
  await survivesRestart(system, () => {
    const [a, b] = [seqsOf(node)(), seqsOf(deno)()];
    return a.length < b.length ? a : b;
  }, 2);
  assert.doesNotMatch(node.output + deno.output, /some missed messages/);
});

Deno.test("examples/curl.sh shows the last message, publishes, and resumes", async () => {
  await using system = await System.start();
  await publish(system, 1);
  await eventually("the message", () => system.telecast.json(`/api/v1/devices/${DEVICE}`));
  const output = await TestProcess.run("bash", {
    args: [path("examples/curl.sh"), system.telecast.url, DEVICE],
  });
  assert.match(output, /"message":\{"data":\{"DEVICE_ID":"0848086072","SEQ":1\}\}/);
  assert.match(output, /"total_messages_processed":1,/);
  assert.match(output, /event: snapshot\ndata: \{"data":\{"DEVICE_ID":"0848086072","SEQ":1\}\}/);
  assert.match(output, /"status":"published"/);
  assert.match(output, /event: message\ndata: .*"NOTE":"from curl"/);
  assert.match(output, /event: resumed\ndata: \{"status":"full","replayed":[01]\}/);
});

browserTest("examples/browser/index.html shows both streams across a restart", async () => {
  await using system = await System.start();
  const query = new URLSearchParams({ server: system.telecast.url, ids: DEVICE });
  await using browser = await BrowserPage.open(
    `file://${path("examples/browser/index.html")}?${query}`,
  );
  const seen = (id: string) => async () => {
    const text = await browser.page.locator(`#${id}`).textContent() ?? "";
    return [...text.matchAll(/"SEQ":(\d+)/g)].map(([, seq]) => Number(seq)).reverse();
  };
  await survivesRestart(system, async () => {
    const [sse, ws] = [await seen("sse")(), await seen("ws")()];
    return sse.length < ws.length ? sse : ws;
  }, 2);
  assert.deepEqual(await seen("sse")(), await seen("ws")());
  assert.equal(await browser.page.locator("#ws-state").textContent(), "connected");
});

browserTest("examples/react/DeviceStream.jsx shows the last message across a restart", async () => {
  await using system = await System.start();
  await using dir = await TempDir.create();
  const here = new URL("react/", import.meta.url).pathname;
  await TestProcess.run(Deno.execPath(), {
    name: "deno bundle",
    args: [
      ...["bundle", "--config", `${here}bundle.json`, "--no-lock", "--platform", "browser"],
      ...[`${here}main.jsx`, "-o", dir.join("react.js")],
    ],
    timeoutMs: 120_000,
  });
  await publish(system, 0);
  await eventually("the message", () => system.telecast.json(`/api/v1/devices/${DEVICE}`));
  await using browser = await BrowserPage.open(`${system.telecast.url}/livez`);
  await browser.page.addScriptTag({ content: await Deno.readTextFile(dir.join("react.js")) });
  const shows = (seq: number) =>
    browser.page.locator("li", { hasText: `"SEQ":${seq}` }).waitFor({ timeout: 30_000 });
  await browser.page.getByText("Connected").waitFor({ timeout: 20_000 });
  await shows(0);
  await publish(system, 1);
  await shows(1);
  await system.telecast.kill("SIGTERM");
  await browser.page.getByText("Connecting").waitFor({ timeout: 20_000 });
  await publish(system, 2);
  await system.telecast.start();
  await shows(2);
  assert.doesNotMatch(browser.log.join("\n"), /pageerror/);
});
