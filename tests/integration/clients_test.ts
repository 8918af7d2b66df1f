/** The users' own clients, unchanged except for the address. */

import assert from "node:assert/strict";
import { type Browser, chromium, type Page } from "playwright-core";
import { eventually } from "../kit/eventually.ts";
import { TestProcess } from "../kit/servers/process.ts";
import { System } from "../kit/system.ts";
import { TempDir } from "../kit/temp_dir.ts";

const DEVICE = "0848086072";

/** Details that reserializing would change: signs, number formats, key order, escapes, bigints. */
const PAYLOAD = `{"data":{"DEVICE_ID":"${DEVICE}","LATITUD":"+20.652472","zeta":1.0,"alfa":-0.0,` +
  `"big":12345678901234567890,"exp":1e3,"text":"ñ \\u00f1 \\/ \\"q\\" 🚚","unknown":{"b":1,"a":2}},` +
  `"decoded":{},"metadata":{},"raw":"","uuid":"2f1c0c5e-7f0b-4a55-9c12-000000000001"}`;

const read = (name: string) => Deno.readTextFile(new URL(`clients/${name}`, import.meta.url));

async function start(): Promise<System> {
  return await System.start({ env: { KEEPALIVE_SECONDS: "1" } });
}

async function connected({ telecast }: System, count = 1): Promise<void> {
  await eventually("the client's connection", async () => {
    return (await telecast.json("/api/v1/stream/stats")).active_subscribers >= count;
  }, { timeoutMs: 20_000 });
}

Deno.test("curl -N reads the stream, byte for byte", async () => {
  await using system = await start();
  await using all = TestProcess.start("curl", { args: ["-sN", system.telecast.sseUrl()] });
  await using one = TestProcess.start("curl", {
    args: ["-sN", system.telecast.sseUrl(`device_ids=${DEVICE},0848086073`)],
  });
  await using other = TestProcess.start("curl", {
    args: ["-sN", system.telecast.sseUrl("device_ids=0848086073")],
  });
  await connected(system, 3);
  await system.publisher.publish("fleet", PAYLOAD);
  for (const curl of [all, one]) {
    await curl.waitForOutput(`event: message\ndata: ${PAYLOAD}\n\n`);
    await curl.waitForOutput('event: ping\ndata: {"type":"keep-alive"}\n\n');
  }
  await other.waitForOutput("event: ping");
  assert.doesNotMatch(other.output, /event: message/);
  for (const curl of [all, one, other]) curl.kill();
});

Deno.test("curl upgrades to a WebSocket by hand", async () => {
  await using system = await start();
  const headers = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
  };
  await using curl = TestProcess.start("curl", {
    args: [
      "-siN",
      ...Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]),
      system.telecast.sseUrl(`device_ids=${DEVICE}`),
    ],
  });
  await curl.waitForOutput(/^HTTP\/1\.1 101 Switching Protocols/);
  await curl.waitForOutput(/sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/i);
  await connected(system);
  await system.publisher.publish("fleet", PAYLOAD);
  await curl.waitForOutput(`{"event":"message","data":${PAYLOAD},"id":"`);
  curl.kill();
});

Deno.test("curl without device_ids gets the error frame on a WebSocket", async () => {
  await using system = await start();
  await using curl = TestProcess.start("curl", {
    args: [
      ...["-sN", "--http1.1", "-H", "Connection: Upgrade", "-H", "Upgrade: websocket"],
      ...["-H", "Sec-WebSocket-Version: 13", "-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="],
      system.telecast.sseUrl(),
    ],
  });
  await curl.waitForOutput(
    '{"event":"error","data":{"message":"Debe especificar al menos un device_id en los query ' +
      'params","code":"device_ids_required"}}',
  );
  curl.kill();
});

Deno.test("Python's websockets reads the stream", async () => {
  await using system = await start();
  await using dir = await TempDir.create();
  const code = (await read("websockets_client.py")).replace("8000", String(system.telecast.port));
  const python = `${Deno.env.get("HOME")}/.cache/telecast/venv/bin/python`;
  await using client = TestProcess.start(python, {
    args: ["-u", await dir.write("client.py", code)],
    env: { PYTHONIOENCODING: "utf-8" },
  });
  await client.waitForOutput("✅ WebSocket conectado");
  await connected(system);
  await system.publisher.publish("fleet", PAYLOAD);
  await client.waitForOutput("📡 Datos recibidos: {'data': {'DEVICE_ID': '0848086072'");
  await client.waitForOutput("'LATITUD': '+20.652472', 'zeta': 1.0");
  await client.waitForOutput("💓 Keep-alive");
  // When the server shuts down in an orderly way, the client's loop ends without an exception.
  await system.telecast.kill("SIGTERM");
  const { code: exit } = await client.waitForExit();
  assert.doesNotMatch(client.output, /Traceback/);
  assert.equal(exit, 0);
});

/** Runs `use` on a page of Telecast's own origin, with what the page logs. */
async function onPage(system: System, use: (page: Page, log: string[]) => Promise<void>) {
  const browser: Browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"],
  });
  try {
    const page = await browser.newPage();
    const log: string[] = [];
    page.on("console", (message) => log.push(message.text()));
    page.on("pageerror", (error) => log.push(`pageerror: ${error.message}`));
    await page.goto(`${system.telecast.url}/livez`);
    await use(page, log);
  } finally {
    await browser.close();
  }
}

const logged = (log: readonly string[], text: string) =>
  eventually(`${text} on the page's console`, () => {
    const found = log.some((line) => line.includes(text));
    if (!found) throw new Error(log.join("\n"));
    return found;
  });

const browserTest = (name: string, use: (page: Page, log: string[], system: System) => unknown) =>
  Deno.test({
    name,
    async fn() {
      await using system = await start();
      await onPage(system, async (page, log) => {
        await use(page, log, system);
      });
    },
    // playwright-core keeps its pipes open until the browser's process has ended.
    sanitizeOps: false,
    sanitizeResources: false,
  });

browserTest("EventSource in Chromium reads messages and pings", async (page, log, system) => {
  await page.addScriptTag({ content: await read("event_source.js") });
  await connected(system);
  await system.publisher.publish("fleet", PAYLOAD);
  await logged(log, "Evento recibido:");
  await logged(log, "Keep-alive recibido");
  assert.doesNotMatch(log.join("\n"), /error/i);
});

browserTest(
  "EventSource in Chromium resumes by itself",
  async (page, _log, { telecast, publisher }) => {
    await page.evaluate((device) => {
      const seen: string[] = [];
      const source = new EventSource(`/api/v1/stream?device_ids=${device}`);
      source.onmessage = ({ data }) => seen.push(JSON.parse(data).data.SEQ);
      Object.assign(globalThis, { seen });
    }, DEVICE);
    const publish = (seq: number) =>
      publisher.publish("fleet", JSON.stringify({ data: { DEVICE_ID: DEVICE, SEQ: seq } }));
    const seen = async (count: number) =>
      await eventually(`${count} messages`, async () => {
        const seen = await page.evaluate("globalThis.seen") as number[];
        return seen.length >= count && seen;
      }, { timeoutMs: 20_000 });
    await eventually("the page", async () => {
      return (await telecast.json("/api/v1/stream/stats")).active_subscribers === 1;
    });
    await publish(1);
    await seen(1);
    await telecast.restart();
    await telecast.waitForSource();
    // Usually published before the browser reconnects, since it waits for `retry`.
    await publish(2);
    assert.deepEqual(await seen(2), [1, 2]);
  },
);

browserTest(
  "the JavaScript WebSocket client in Chromium reads the stream",
  async (page, log, system) => {
    const port = String(system.telecast.port);
    await page.addScriptTag({ content: (await read("websocket.js")).replace("8000", port) });
    await logged(log, "✅ WebSocket conectado");
    await connected(system);
    await system.publisher.publish("fleet", PAYLOAD);
    await logged(log, "📡 Datos recibidos:");
    await logged(log, "💓 Keep-alive");
    assert.doesNotMatch(log.join("\n"), /❌|🔌/);
  },
);

browserTest("the React client in Chromium shows the messages", async (page, log, system) => {
  await using dir = await TempDir.create();
  const here = new URL("clients/react/", import.meta.url).pathname;
  await TestProcess.run(Deno.execPath(), {
    name: "deno bundle",
    args: [
      ...["bundle", "--config", `${here}bundle.json`, "--no-lock", "--platform", "browser"],
      ...[`${here}main.jsx`, "-o", dir.join("react.js")],
    ],
    timeoutMs: 120_000,
  });
  const code = await Deno.readTextFile(dir.join("react.js"));
  assert.match(code, /localhost:8000/);
  const port = String(system.telecast.port);
  await page.addScriptTag({ content: code.replaceAll("localhost:8000", `localhost:${port}`) });
  await page.getByText("Estado: 🟢 Conectado").waitFor({ timeout: 10_000 });
  await connected(system);
  await system.publisher.publish("fleet", PAYLOAD);
  await page.locator("li", { hasText: '"LATITUD":"+20.652472"' }).waitFor({ timeout: 10_000 });
  assert.doesNotMatch(log.join("\n"), /❌|pageerror/);
});
