/** A single instance on SQLite with a full disk: live messages go on, alarms wait, no crash. */

import assert from "node:assert/strict";
import { eventually } from "../kit/eventually.ts";
import { fileSizeLimit, type FullDisk, smallDisk } from "../kit/servers/full_disk.ts";
import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { MqttPublisher } from "../kit/clients/mqtt_publisher.ts";
import { freePort } from "../kit/ports.ts";
import { deviceAndSeq, trackingPayload } from "../kit/payload.ts";
import { say } from "../kit/say.ts";
import { SseClient } from "../kit/clients/sse_client.ts";
import { Telecast } from "../kit/servers/telecast.ts";
import { TempDir } from "../kit/temp_dir.ts";
import { WsClient } from "../kit/clients/ws_client.ts";

const PATIENT = { timeoutMs: 60_000 };

function alarm(text: string): string {
  return JSON.stringify({
    tipo_mensaje: "alarmas",
    empresa: "cota",
    tipo_alarma: "ROJO",
    descripcion: text,
  });
}

async function store(telecast: Telecast): Promise<{ status: string; reasons: string }> {
  const { status, reasons = [] } = await telecast.json("/readyz");
  return { status, reasons: reasons.join("; ") };
}

async function metric(telecast: Telecast, name: string): Promise<number> {
  const text = await (await fetch(`${telecast.url}/metrics`)).text();
  return Number(new RegExp(`^telecast_${name} (.*)$`, "m").exec(text)?.[1]);
}

/** The `resumed` status that an instance gives for a cursor. */
async function resumed(telecast: Telecast, cursor: string): Promise<string> {
  await using client = await WsClient.open(telecast.wsUrl(`device_ids=A&since=${cursor}`));
  const { data } = await client.waitForEvent("resumed");
  return JSON.parse(data).status;
}

async function check(disk: FullDisk): Promise<void> {
  const calls: string[] = [];
  await using backend = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    async (request) => {
      calls.push(await request.text());
      return Response.json({ ok: true });
    },
  );
  await using broker = await Mosquitto.start();
  await using telecast = await Telecast.start({
    cwd: disk.cwd,
    wrapper: disk.wrapper,
    port: freePort(),
    env: {
      BROKER_HOST: broker.url,
      BACKEND_URL: `http://127.0.0.1:${backend.addr.port}`,
    },
  });
  await telecast.waitForSource();
  const { pid } = telecast.process;
  await using publisher = await MqttPublisher.connect(broker.url);
  let seq = 0;
  const publish = async (count: number) => {
    const last = seq + count;
    while (seq < last) await publisher.publish("fleet", trackingPayload("A", ++seq));
  };
  const follow = () => SseClient.open(telecast.sseUrl("device_ids=A,cota"));
  const numbers = ({ payloads }: SseClient) =>
    payloads.filter((text) => text.includes("SEQ")).map((text) => deviceAndSeq(text).seq);

  await using before = await follow();
  await publish(10);
  await eventually("the first messages", () => numbers(before).length === 10, PATIENT);
  const oldCursor = before.events.items.at(-1)!.id!;

  await disk.fill(pid);
  await publish(10);
  await eventually("the log is in memory", async () => {
    const { status, reasons } = await store(telecast);
    return status === "degraded" && /the log continues in memory/.test(reasons);
  }, PATIENT);
  say(`${disk.name}: ${(await store(telecast)).reasons}`);
  await before.ended;
  assert.equal(before.events.items.at(-1)?.event, "goodbye");
  assert.equal(await metric(telecast, "store_in_memory"), 1);
  assert.match(telecast.output, /the store fails: the log continues in memory/);
  assert.equal(await resumed(telecast, oldCursor), "none");

  await using meanwhile = await follow();
  await publish(100);
  await eventually("live messages", () => numbers(meanwhile).length === 100, PATIENT);
  assert.deepEqual(numbers(meanwhile), Array.from({ length: 100 }, (_, i) => 21 + i));
  const firstCursor = meanwhile.events.items.find(({ event }) => event === "message")!.id!;
  // An alarm waits and, once the broker has its maximum in flight, so does everything behind it.
  await publisher.publish("empresas", alarm("while the disk is full"));
  await publish(100);
  await eventually("the alarm has arrived", async () => {
    const { fanout } = await telecast.json("/api/v1/stats");
    return fanout.pending > 0;
  }, PATIENT);
  assert.equal(meanwhile.payloads.some((text) => text.includes("ROJO")), false);
  assert.equal(calls.length, 0);
  assert.ok(telecast.running);

  await disk.free(pid);
  await eventually("ready again", async () => (await store(telecast)).status === "ok", PATIENT);
  await eventually("the alarm", () => calls.length > 0, PATIENT);
  await eventually(
    "the alarm on the stream",
    () => meanwhile.payloads.some((text) => text.includes("ROJO")),
    PATIENT,
  );
  await publish(5);
  await eventually("the same stream goes on", () => numbers(meanwhile).length === 205, PATIENT);
  assert.deepEqual(numbers(meanwhile), Array.from({ length: 205 }, (_, i) => 21 + i));
  assert.equal(await metric(telecast, "store_in_memory"), 0);

  // What was only in memory is now in the file.
  await telecast.restart();
  assert.equal(await resumed(telecast, firstCursor), "full");
  await telecast.waitForSource();

  // An alarm that was not acknowledged is resent by the broker to the next run.
  await disk.fill(telecast.process.pid);
  await publisher.publish("fleet", trackingPayload("A", ++seq));
  await eventually(
    "the log is in memory again",
    async () => (await store(telecast)).reasons.includes("in memory"),
    PATIENT,
  );
  await publisher.publish("empresas", alarm("just before a crash"));
  await eventually("the second alarm has arrived", async () => {
    const { fanout } = await telecast.json("/api/v1/stats");
    return fanout.pending > 0;
  }, PATIENT);
  const dying = telecast.process.pid;
  await telecast.kill("SIGKILL");
  await disk.free(dying).catch(() => {});
  await telecast.start();
  await eventually(
    "the alarm after the crash",
    () => calls.some((text) => text.includes("just before a crash")),
    PATIENT,
  );
}

Deno.test("a single instance continues in memory when it can no longer write, and returns to the file", async () => {
  await using disk = await fileSizeLimit();
  await check(disk);
});

Deno.test("a single instance continues in memory while its disk is full, and returns to the file", async () => {
  await using disk = await smallDisk();
  if (!disk) {
    return say("SKIPPED: this user may not mount a small disk; the file size limit covers it");
  }
  await check(disk);
});

Deno.test("a damaged database file is refused at startup, with advice", async () => {
  await using dir = await TempDir.create("damaged-");
  await Deno.mkdir(dir.join("data"));
  const path = dir.join("data", "telecast.sqlite");
  const damages: Record<string, () => Promise<void>> = {
    "not a database": () => Deno.writeTextFile(path, "not SQLite ".repeat(1_000)),
    "damaged after its header": async () => {
      await using telecast = await Telecast.start({ cwd: dir.path });
      await telecast.kill("SIGTERM");
      const bytes = await Deno.readFile(path);
      crypto.getRandomValues(bytes.subarray(4096, Math.min(bytes.length, 4096 + 65_536)));
      await Deno.writeFile(path, bytes);
    },
  };
  for (const [what, damage] of Object.entries(damages)) {
    await Deno.remove(path).catch(() => {});
    await damage();
    const { code, output } = await Telecast.runToEnd({ cwd: dir.path });
    assert.ok(code === 1 || code === 2, `${what}: exit code ${code}`);
    assert.match(output, /move it away, then restore a copy/, what);
    assert.doesNotMatch(output, / {4}at /, "no stack trace");
  }
});
