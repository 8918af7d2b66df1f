/** Runs the shell commands of the documents, unchanged except for addresses and files. */

import assert from "node:assert/strict";
import { blocksOf, commandsOf, documents, read, ROOT } from "../../docs/markdown.ts";
import { CASES } from "../../bench/cases.ts";
import { STAGES } from "../../bench/profile/profile.ts";
import { eventually } from "../../kit/eventually.ts";
import { freePort, isListening } from "../../kit/ports.ts";
import { TestProcess } from "../../kit/servers/process.ts";
import { System } from "../../kit/system.ts";
import { TempDir } from "../../kit/temp_dir.ts";

/** Commands that cannot run here: they need a container engine, a terminal, the reader's store. */
const NOT_RUN = [
  /^(docker|kubectl) /,
  // These need a separate machine with systemd as its first process.
  /^(useradd|git clone|install -m|cp \/opt|systemctl)\b/,
  /^mosquitto_passwd -c /,
  /^bash tests\/integration\/install\.sh$/,
  /^curl -X POST .*<id>\/retry$/,
  // This needs a server with tokens; tests/routes covers it.
  /^curl -X POST \S+\/api\/v1\/tokens\/revoke /,
  /^curl -X POST \S+\/api\/v1\/iot\//,
];
const LONG = { timeoutMs: 180_000 };
/** Commands that every check already runs, or that have their own test. */
const TASKS =
  /^(?:LINES_SERVER=\S+ )?deno (?:run \S.* examples\/source\/main\.ts|task (?:ok|audit|test|test:integration|test:faults|bench|soak|hold|conformance)( --minutes=\d+)?|test -A (--no-check )?\S+)$/;

interface Command {
  readonly path: string;
  readonly text: string;
}

async function commands(): Promise<Command[]> {
  const found: Command[] = [];
  for (const path of await documents()) {
    for (const { language, text } of blocksOf(await read(path))) {
      if (language !== "sh") continue;
      found.push(...commandsOf(text).map((text) => ({ path, text })));
    }
  }
  return found;
}

/** Runs a command line after replacing the keys of `replace`, such as addresses, by its values. */
function shell(line: string, replace: Readonly<Record<string, string>>): TestProcess {
  for (const [from, to] of Object.entries(replace)) line = line.replaceAll(from, to);
  return TestProcess.start("bash", {
    name: line,
    args: ["-c", line],
    cwd: ROOT.pathname,
    env: { DENO_KV_URL: "memory:", NO_COLOR: "1", PORT: String(freePort()) },
  });
}

type Runner = (command: string, system: System) => Promise<void>;

const DEVICES = ["0848086072", "mine", "cota"];

/** Publishes messages until the stream prints one, or a `resumed` event. */
const runStream: Runner = async (command, { telecast, publisher }) => {
  await using curl = shell(command, at(telecast.port));
  await eventually(`output of ${command}`, async () => {
    for (const id of DEVICES) {
      await publisher.publish("fleet", JSON.stringify({ data: { DEVICE_ID: id } }));
    }
    return /^event: (message|resumed)$|^\{"data":\{"DEVICE_ID":"/m.test(curl.stdout);
  }, { intervalMs: 200 });
  curl.kill();
};

const runOnce: Runner = async (command, { telecast, broker }) => {
  await using process = shell(command.replace(/^curl /, "curl -sS --fail-with-body "), {
    ...at(telecast.port),
    "-p 1883": `-p ${broker.port}`,
  });
  const { code } = await process.waitForExit();
  assert.equal(code, 0, process.output);
};

/** `deno task … start` and `dev` with the reader's own variables. */
const runProgram: Runner = async (command, { broker }) => {
  await using dir = await TempDir.create();
  const env = await dir.write(".env", `BROKER_HOST=${broker.url}\nPORT=${freePort()}\n`);
  const source = /BROKER|--env-file/.test(command) ? "" : `BROKER_HOST=${broker.url} `;
  await using process = shell(source + command, {
    "http://collector:4318": "http://127.0.0.1:1",
    "--env-file=.env": `--env-file=${env}`,
    "PORT=8100": `PORT=${freePort()}`,
    "BROKER_HOST=mosquitto.example.com:1883": `BROKER_HOST=${broker.url}`,
    "MQTT_BROKER=broker.example.com": `MQTT_BROKER=${broker.url}`,
  });
  if (command.includes("--check")) {
    const { code } = await process.waitForExit();
    assert.equal(code, 0, process.output);
    await assert.match(process.stdout, /The configuration is valid/);
    return;
  }
  await process.waitForOutput(/connected with MQTT 5/, { timeoutMs: 60_000 });
  if (command.includes("--shadow")) assert.match(process.output, /ready: /);
  process.kill("SIGINT");
  assert.equal((await process.waitForExit()).code, 0);
};

/** Checks that the copy of a store in use is intact. */
const runBackup: Runner = async (command, { telecast }) => {
  const copy = `${telecast.cwd}/copy.sqlite`;
  await using process = shell(command, {
    "data/telecast.sqlite": `${telecast.cwd}/data/telecast.sqlite`,
    "telecast-copy.sqlite": copy,
  });
  assert.equal((await process.waitForExit()).code, 0, process.output);
  await using check = shell(`sqlite3 ${copy} "pragma integrity_check"`, {});
  await check.waitForOutput("ok");
};

const runCopy: Runner = async (command) => {
  await using dir = await TempDir.create();
  await using process = shell(command.replace(/\.env$/, `${dir.path}/.env`), {});
  assert.equal((await process.waitForExit()).code, 0, process.output);
  await using check = shell(`deno task --env-file=${dir.path}/.env start --check`, {});
  assert.equal((await check.waitForExit()).code, 0, check.output);
};

/** Runs a KV server and an instance on it, as on two machines. */
const runOnKv: Runner = async (command, { broker }) => {
  await using dir = await TempDir.create();
  const port = freePort();
  const server = known.find(({ text }) => text.startsWith("denokv "))!.text;
  const token = "a-token-of-the-reader";
  await using kv = shell(`export PATH=$PATH:$HOME/.cache/telecast/denokv/bin; ${server}`, {
    "kv.sqlite": `${dir.path}/kv.sqlite`,
    "0.0.0.0:4512": `127.0.0.1:${port}`,
    "$DENO_KV_ACCESS_TOKEN": token,
  });
  await kv.waitUntil("listening", () => isListening(port));
  await using telecast = shell(`DENO_KV_ACCESS_TOKEN=${token} PORT=${freePort()} ${command}`, {
    "http://denokv:4512": `http://127.0.0.1:${port}`,
    "mosquitto:1883": broker.url,
  });
  await telecast.waitForOutput(/ready: store 127/, { timeoutMs: 60_000 });
  await telecast.waitForOutput(/connected with MQTT 5/, { timeoutMs: 60_000 });
  telecast.kill("SIGINT");
  assert.equal((await telecast.waitForExit()).code, 0);
  kv.kill("SIGKILL");
};

const runSbom: Runner = async (command) => {
  await using process = shell(command, { "> sbom.json": "" });
  assert.equal((await process.waitForExit()).code, 0, process.output);
  assert.equal(JSON.parse(process.stdout).bomFormat, "CycloneDX");
};

/** Runs the shortest case instead, so that it takes seconds. */
const runBench: Runner = async (command) => {
  const names = /--only (\S+)/.exec(command)?.[1]?.split(",") ?? [];
  for (const name of names) assert.ok(CASES.some((known) => known.name === name), name);
  const short = "deno task bench --only start --rounds 1";
  await using bench = shell(short, {});
  assert.equal((await bench.waitForExit(LONG)).code, 0, bench.output);
  const [, file] = await bench.waitForOutput(/All samples: (\S+)/);
  if (!command.includes("--compare")) return;
  await using compared = shell(`${short} --compare ${file}`, {});
  assert.equal((await compared.waitForExit(LONG)).code, 0, compared.output);
  await compared.waitForOutput(`Since ${file}`);
};

/** Runs one stage instead of all. */
const runProfile: Runner = async (command) => {
  const stages = command.split(" ").slice(3);
  for (const stage of stages) assert.ok(stage === "kafka" || stage in STAGES, stage);
  await using process = shell("deno task profile ws-x200", {});
  assert.equal((await process.waitForExit(LONG)).code, 0, process.output);
};

const RUNNERS: readonly (readonly [RegExp, Runner])[] = [
  [/^curl -N |^deno task tail /, runStream],
  [/^deno task sbom /, runSbom],
  [/^deno task bench --(only|compare) /, runBench],
  [/^deno task profile\b/, runProfile],
  [/^sqlite3 data\//, runBackup],
  [/^cp \.env\.example \.env$/, runCopy],
  [/^DENO_KV_URL=http:\/\/denokv:4512 /, runOnKv],
  // runOnKv runs it.
  [/^denokv /, () => Promise.resolve()],
  [/^(curl|mosquitto_pub) /, runOnce],
  [/^([A-Z_]+=\S+ )*deno task (--env-file=\S+ )?(start|dev)( --\w+)?$/, runProgram],
];

function at(port: number): Record<string, string> {
  return { "127.0.0.1:8000": `127.0.0.1:${port}`, "127.0.0.1:8100": `127.0.0.1:${port}` };
}

const known = await commands();

Deno.test("every command in the documents is either run or known to need something else", () => {
  assert.ok(known.length > 15, `only ${known.length} commands were found`);
  const unknown = known.filter(({ text }) =>
    text !== "deno task dev" && !TASKS.test(text) && !NOT_RUN.some((form) => form.test(text)) &&
    !RUNNERS.some(([form]) => form.test(text))
  );
  assert.deepEqual(unknown, []);
});

Deno.test("deno task dev works as the README describes, and Ctrl-C ends it", async () => {
  const port = freePort();
  await using dev = TestProcess.start(Deno.execPath(), {
    args: ["task", "dev"],
    cwd: ROOT.pathname,
    env: { DENO_KV_URL: "memory:", NO_COLOR: "1", PORT: String(port) },
  });
  const [, page] = await dev.waitForOutput(/Live page +(http:\S+)/, { timeoutMs: 60_000 });
  assert.equal(page, `http://127.0.0.1:${port}/`);
  await dev.waitForOutput(/MQTT broker +mqtt:\/\/127\.0\.0\.1:\d+/);
  const [, line] = await dev.waitForOutput(/Try +(curl .*)/);
  await using curl = shell(line!, {});
  await curl.waitForOutput(/event: message\ndata: \{"data":\{"DEVICE_ID":"0848086072"/, {
    timeoutMs: 60_000,
  });
  curl.kill();
  const html = await (await fetch(page!)).text();
  assert.match(html, /<title>Telecast<\/title>/);
  const { devices } = await (await fetch(`${page}api/v1/devices`)).json();
  assert.ok(devices.length > 0 && devices.length <= 25);
  const start = performance.now();
  dev.kill("SIGINT");
  await dev.waitForExit({ timeoutMs: 5_000 });
  assert.ok(performance.now() - start < 2_500);
});

Deno.test("the other commands of the documents work", async (t) => {
  await using system = await System.start();
  const done = new Set<string>();
  for (const { path, text } of known) {
    const runner = RUNNERS.find(([form]) => form.test(text))?.[1];
    if (!runner || text === "deno task dev" || done.has(text)) continue;
    if (NOT_RUN.some((form) => form.test(text))) continue;
    done.add(text);
    await t.step(`${path}: ${text}`, () => runner(text, system));
  }
});
