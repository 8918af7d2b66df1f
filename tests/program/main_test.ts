/** The whole program as its own process, with its embedded parts. */

import assert from "node:assert/strict";
import { eventually } from "../kit/eventually.ts";
import { freePort, isListening } from "../kit/ports.ts";
import { SseClient } from "../kit/clients/sse_client.ts";
import { TestProcess } from "../kit/servers/process.ts";
import { startFlags, Telecast } from "../kit/servers/telecast.ts";
import { WsClient } from "../kit/clients/ws_client.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const MEMORY = { DENO_KV_URL: "memory:" };

/** Starts the program with a demo fleet; its broker takes the next free port if 1883 is taken. */
function startDev(env: Record<string, string> = {}): Promise<Telecast> {
  return Telecast.start({ args: ["--dev"], env: { ...MEMORY, ...env } });
}

Deno.test("--help prints the help, even if the configuration is bad", async () => {
  for (const env of [{}, { PORT: "nonsense" }]) {
    for (const flag of ["--help", "-h"]) {
      const { code, stdout } = await Telecast.runToEnd({ args: [flag], env });
      assert.equal(code, 0);
      assert.match(stdout, /Usage: deno task start/);
    }
  }
});

Deno.test("--check says whether the configuration is valid, and exits", async () => {
  const env = { BROKER_HOST: "mqtt://user:s3cr3t@127.0.0.1:1", LOG_LEVEL: "Warning" };
  const good = await Telecast.runToEnd({ args: ["--check"], env });
  assert.equal(good.code, 0, good.output);
  assert.match(good.stdout, /valid: .*\bLOG_LEVEL\b.*\bBROKER_HOST\b/);
  assert.doesNotMatch(good.output, /s3cr3t/);
  const bad = await Telecast.runToEnd({ args: ["--check"], env: { ...env, MQTT_QOS: "9" } });
  assert.equal(bad.code, 2);
});

Deno.test("--check shows what is set and where it comes from, but no secret", async () => {
  const secrets = {
    BROKER_HOST: "mqtts://user:s3cr3t@ss@broker.example:8884",
    MQTT_PASSWORD: "s3cr3t",
    AUTH_JWT_SECRET: "s3cr3t of 32 characters and more, for HS256",
    DENO_KV_URL: "https://s3cr3t@kv.example/s3cr3t?s3cr3t",
    DENO_KV_ACCESS_TOKEN: "s3cr3t of the store",
    WHATSAPP_API_URL: "https://whatsapp.example/send?key=s3cr3t",
    WHATSAPP_TOKEN: "s3cr3t",
    WHATSAPP_RECIPIENTS: '{"cota":["573001112233"]}',
    MAP_TILES_URL: "https://tiles.example/{z}/{x}/{y}.png?key=s3cr3t",
  };
  const { code, stdout, output } = await Telecast.runToEnd({
    args: ["--check", "--mqtt"],
    env: { ...secrets, DRAIN_SECONDS: "9", LOG_FILE: "data/\x1b[31mred.log" },
  });
  assert.equal(code, 0, output);
  // deno-lint-ignore no-control-regex -- that is what must not be there
  assert.doesNotMatch(output, /s3cr3t(?!\?)|573001112233|\x1b/);
  for (
    const row of [
      /^BROKER_HOST +mqtts:\/\/…@broker\.example:8884 +environment$/m,
      /^MQTT_PASSWORD +set +environment$/m,
      /^WHATSAPP_RECIPIENTS +set +environment$/m,
      /^DRAIN_SECONDS +9 +environment$/m,
      /^KEEPALIVE_SECONDS +60 +default$/m,
      /^--mqtt +command line$/m,
      /^sources: mqtt mqtts:\/\/broker\.example:8884 \(#\); mode lease$/m,
      /^access: by token, a shared secret \(HS256\)$/m,
    ]
  ) assert.match(stdout, row);
});

Deno.test("a misspelled variable is reported, whether the configuration is valid or not", async () => {
  const slip = /Unknown variable BROKER_HOTS: did you mean BROKER_HOST\?/;
  const env = { BROKER_HOTS: "s3cr3t", MQTT_USERNAM: "s3cr3t", KAFKA_HEAP_OPTS: "-Xmx1g" };
  for (const more of [{}, { MQTT_QOS: "9" }]) {
    const { output } = await Telecast.runToEnd({ args: ["--check"], env: { ...env, ...more } });
    assert.match(output, slip);
    assert.match(output, /Unknown variable MQTT_USERNAM: .* MQTT_USERNAME\?/);
    assert.doesNotMatch(output, /s3cr3t|KAFKA_HEAP_OPTS/);
  }
  await using telecast = await Telecast.start({ env: { ...MEMORY, ...env } });
  assert.match(telecast.output, slip);
});

Deno.test("the start logs in a few lines what the program will do", async () => {
  await using telecast = await Telecast.start({
    env: {
      ...MEMORY,
      BROKER_HOST: "ws://user:s3cr3t@127.0.0.1:1/mqtt?key=s3cr3t",
      BROKER_TOPIC: "fleet/#",
    },
  });
  await telecast.process.waitForOutput("next try");
  const { output } = telecast;
  assert.match(output, /sources: mqtt ws:\/\/127\.0\.0\.1:1\/mqtt \(fleet\/#\); mode lease/);
  assert.match(output, /store: memory, lost when this process ends/);
  assert.match(output, /clients: http:\/\/127\.0\.0\.1:\d+, at most 20,000, origins \*/);
  assert.match(output, /access: open/);
  assert.doesNotMatch(output, /s3cr3t/);
});

Deno.test("a bad configuration exits with 2, and names every variable but no value", async () => {
  const { code, output, stdout } = await Telecast.runToEnd({
    args: ["--unknown=s3cr3t"],
    env: {
      PORT: "s3cr3t",
      BROKER_HOST: "mqtt://s3cr3t:s3cr3t%zz@host",
      KAFKA_BOOTSTRAP_SERVERS: "k",
      KAFKA_TOPIC: "tracking/data",
      AWS_IOT_ENDPOINT: "s3cr3t host",
      WHATSAPP_TOKEN: "s3cr3t",
      DRAIN_SECONDS: "s3cr3t",
    },
  });
  assert.equal(code, 2);
  assert.equal(stdout, "");
  for (
    const name of [
      "--unknown",
      "PORT",
      "BROKER_HOST",
      "KAFKA_TOPIC",
      "AWS_IOT_ENDPOINT",
      "WHATSAPP_API_URL",
      "DRAIN_SECONDS",
    ]
  ) assert.match(output, new RegExp(`^telecast: ${name} `, "m"));
  assert.match(output, /tracking\.data/);
  assert.doesNotMatch(output, /s3cr3t|\.ts:\d|\bat /);
});

Deno.test("a refusal by the system ends the program with a line that names the variable, without a stack", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const cases: readonly (readonly [Record<string, string>, RegExp, number])[] = [
    [{ PORT: String(taken.addr.port) }, /PORT/, 1],
    [{ HOST: "192.0.2.1" }, /HOST/, 1],
    [{ HOST: "no-such-host.invalid" }, /HOST/, 1],
    [{ LOG_FILE: "/proc/nowhere/log" }, /LOG_FILE/, 2],
    [{ DENO_KV_URL: "data/file/sqlite" }, /DENO_KV_URL cannot be opened: .* its folder/, 2],
    [{ TLS_CERT_PATH: "missing.pem", TLS_KEY_PATH: "bad.pem" }, /TLS_CERT_PATH/, 2],
    [{ TLS_CERT_PATH: "bad.pem", TLS_KEY_PATH: "missing.pem" }, /TLS_KEY_PATH/, 2],
  ];
  const cwd = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${cwd}/bad.pem`, "nonsense");
    await Deno.mkdir(`${cwd}/data`);
    await Deno.writeTextFile(`${cwd}/data/file`, "no folder");
    for (const [env, named, expected] of cases) {
      const { code, output } = await Telecast.runToEnd({ cwd, env: { ...MEMORY, ...env } });
      assert.match(output, named);
      assert.equal(code, expected, output);
      assert.doesNotMatch(output, /error: Uncaught|\.ts:\d+:\d+/);
    }
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
});

Deno.test("--dev shows a moving fleet, and Ctrl-C ends it within 2 s with nothing left running", async () => {
  await using telecast = await startDev();
  const [, address] = await telecast.process.waitForOutput(/Live page +(http:\S+)/);
  assert.equal(address, `${telecast.url}/`);
  const [, broker] = await telecast.process.waitForOutput(/MQTT broker +mqtt:\/\/127.0.0.1:(\d+)/);
  const [, curl] = await telecast.process.waitForOutput(/curl -N "(\S+)"/);
  await using one = await SseClient.open(curl!);
  await using all = await WsClient.open(telecast.wsUrl("device_ids=*"));
  await one.waitForMessages(1);
  await eventually("most of the fleet", async () => {
    return (await telecast.json("/api/v1/devices")).devices.length >= 15;
  });
  await all.waitForMessages(10);
  const page = await fetch(address!);
  assert.equal(page.status, 200);
  assert.match(page.headers.get("content-type") ?? "", /^text\/html/);
  await page.body?.cancel();

  const { process } = telecast;
  const start = performance.now();
  process.kill("SIGINT");
  // A `deno task` forwards the signal, so it arrives twice.
  process.kill("SIGINT");
  const { code } = await process.waitForExit({ timeoutMs: 5000 });
  const tookMs = performance.now() - start;
  assert.equal(code, 0, process.output);
  assert.ok(tookMs < 2000, `${tookMs} ms`);
  assert.doesNotMatch(process.output, /error: Uncaught|panicked/);
  for (const port of [telecast.port, Number(broker)]) assert.equal(await isListening(port), false);
  assert.match((await one.waitForEvent("goodbye")).data, /"reason":"drain"/);
  assert.equal((await all.waitForClose()).code, 1001);
});

Deno.test("--no-http serves nothing, and ends on a signal", async () => {
  const port = freePort();
  await using program = TestProcess.start(Deno.execPath(), {
    args: ["run", "--no-prompt", ...await startFlags(), MAIN, "--no-http"],
    env: { ...MEMORY, PORT: String(port) },
    mustLive: true,
  });
  await program.waitForOutput("ready: store");
  assert.equal(await isListening(port), false);
  program.kill("SIGTERM");
  assert.equal((await program.waitForExit({ timeoutMs: 5000 })).code, 0);
  assert.match(program.output, /stopped/);
});

Deno.test("WEB_CONCURRENCY: threads share port, log and counters, and all send goodbye", async () => {
  await using telecast = await Telecast.start({
    args: ["--dev"],
    env: { WEB_CONCURRENCY: "2", DRAIN_SECONDS: "1" },
  });
  await using stack = new AsyncDisposableStack();
  const clients: WsClient[] = [];
  const instances = async (): Promise<{ subscribers: number }[]> =>
    (await telecast.json("/api/v1/stats")).instances;
  // A thread that is still starting gets no connections: it could only refuse them.
  const bothListen = /(listening on[^]*){2}/;
  for (let early = 0; early < 30 || !bothListen.test(telecast.process.output); early++) {
    const client = await WsClient.open(telecast.wsUrl("device_ids=*"));
    await client.close();
  }
  await eventually("both know of each other", async () => (await instances()).length === 2);
  for (let i = 0; i < 16; i++) {
    clients.push(stack.use(await WsClient.open(telecast.wsUrl("device_ids=*"))));
  }
  await eventually("all of them are counted, some on each", async () => {
    const stats = await telecast.json("/api/v1/stream/stats?scope=cluster");
    assert.equal(stats.active_subscribers, clients.length);
    return (await instances()).every(({ subscribers }) => subscribers > 0);
  });
  for (const client of clients) await client.waitForMessages(3);
  // Each client sees one order, whichever thread serves it.
  const [first, ...others] = clients.map(({ events }) =>
    events.items.filter(({ event }) => event === "message").map(({ id }) => id)
  );
  const common = others.map((ids) => ids.filter((id) => first!.includes(id)));
  for (const ids of common) {
    const from = first!.indexOf(ids[0]);
    assert.deepEqual(first!.slice(from, from + ids.length), ids);
  }
  telecast.process.kill("SIGTERM");
  for (const client of clients) await client.waitForEvent("goodbye");
  assert.equal((await telecast.process.waitForExit({ timeoutMs: 8000 })).code, 0);
});

Deno.test("LOG_FORMAT=json: each line has timestamp, level, module and message", async () => {
  await using telecast = await Telecast.start({ env: { ...MEMORY, LOG_FORMAT: "json" } });
  await using client = await WsClient.open(telecast.wsUrl("device_ids=A"));
  await telecast.process.waitForOutput("client connected");
  // With a body of unknown length, Deno would print its own line, which is not JSON.
  const body = new Blob(["{}"]).stream();
  const answer = await fetch(`${telecast.url}/api/v1/empresas`, { method: "POST", body });
  assert.equal((await answer.json()).code, "bad_body");
  await client.close();
  await telecast.process.waitForOutput("client gone");
  await telecast.kill();
  const lines = telecast.output.trim().split("\n").map((line) => JSON.parse(line));
  assert.ok(lines.length >= 4);
  for (const line of lines) {
    assert.deepEqual(Object.keys(line), ["timestamp", "level", "module", "message"]);
    assert.match(line.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/);
    assert.match(line.level, /^(info|warning)$/);
    assert.match(line.module, /^telecast\.\w+/);
  }
});

Deno.test("LOG_FORMAT=text, LOG_LEVEL and LOG_FILE work, even in a folder without data", async () => {
  const cwd = await Deno.makeTempDir();
  try {
    const LOG_FILE = "data/telecast.log";
    const env = { ...MEMORY, LOG_FORMAT: "text", LOG_FILE };
    await using telecast = await Telecast.start({ cwd, env });
    await telecast.kill();
    assert.match(telecast.output, /^\d{4}-\d\d-\d\dT\S+ .*INF.*listening on http/m);
    assert.equal(await Deno.readTextFile(`${cwd}/${LOG_FILE}`), telecast.output);
    await telecast.restart({ env: { LOG_LEVEL: "ERROR" } });
    const quiet = telecast.output.length;
    await telecast.kill();
    assert.equal(telecast.output.length, quiet);
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
});

Deno.test("LOG_LEVEL=debug logs a line for each message, with its source and device", async () => {
  await using telecast = await startDev({ LOG_LEVEL: "DEBUG" });
  await telecast.process.waitForOutput(/mqtt: message of 08480860\d\d, \d+ characters/);
  await telecast.kill("SIGINT");
  const told = telecast.output.length;
  await telecast.restart({ env: { LOG_LEVEL: "info" } });
  await using ws = await WsClient.open(telecast.wsUrl("device_ids=*"));
  await ws.waitForMessages(3);
  await telecast.kill("SIGINT");
  assert.doesNotMatch(telecast.output.slice(told), /message of/);
  assert.doesNotMatch(telecast.output, /DEVICE_ID/);
});

Deno.test("STATSD_HOST gets the values of gauges, and the increments of counters", async () => {
  const udp = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const gauges = new Map<string, number>();
  const counters = new Map<string, number>();
  const reading = (async () => {
    for await (const [bytes] of udp) {
      for (const line of new TextDecoder().decode(bytes).split("\n")) {
        const [, name, value, kind] = /^telecast\.([\w.]+):(-?[\d.]+)\|([gc])/.exec(line) ?? [];
        if (kind === "g") gauges.set(name!, Number(value));
        else if (kind === "c") counters.set(name!, (counters.get(name!) ?? 0) + Number(value));
        else if (line) throw new Error(`This is no metric: ${line}`);
      }
    }
  })();
  {
    await using telecast = await startDev({
      STATSD_HOST: `127.0.0.1:${(udp.addr as Deno.NetAddr).port}`,
      DENO_KV_URL: "data/statsd.sqlite",
    });
    await using ws = await WsClient.open(telecast.wsUrl("device_ids=*"));
    await using _sse = await SseClient.open(telecast.sseUrl());
    await ws.waitForMessages(10);
    await eventually(
      "the gauges",
      () =>
        gauges.get("connections.ws") === 1 && gauges.get("connections.sse") === 1 &&
        gauges.get("devices")! > 0 && gauges.get("source_connected.mqtt") === 1,
    );
    await ws.close();
    await eventually("one is gone", () => gauges.get("connections.ws") === 0);
    await telecast.kill("SIGINT");
  }
  // What was counted in the last second is sent at the end.
  await eventually(
    "the counters",
    () => counters.get("received.mqtt")! >= 10 && counters.get("sent.ws")! >= 10,
  );
  assert.equal(counters.get("stored"), counters.get("received.mqtt"));
  assert.equal(counters.get("malformed.mqtt") ?? 0, 0);
  assert.equal(counters.get("dropped.ws") ?? 0, 0);
  // A batch passes all of these once; another instance's would pass `wake`.
  for (const stage of ["receive", "handover", "queue", "append", "send"]) {
    assert.ok(counters.get(`stage_seconds.${stage}.count`)! > 0, stage);
    assert.ok(counters.get(`stage_seconds.${stage}.sum`)! > 0, stage);
  }
  assert.equal(counters.get("stage_seconds.wake.count") ?? 0, 0);
  udp.close();
  await reading;
});
