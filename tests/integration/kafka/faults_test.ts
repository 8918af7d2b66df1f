/** The Kafka source while its broker, its group or its store misbehave. */

import assert from "node:assert/strict";
import type { Received } from "../../ingest/kafka/fake_intake.ts";
import {
  committedOf,
  connectProducer,
  createTopic,
  RunningSource,
  withAdmin,
} from "../../ingest/kafka/run_source.ts";
import { Certificates } from "../../kit/servers/certificates.ts";
import { eventually } from "../../kit/eventually.ts";
import { Kafka } from "../../kit/servers/kafka.ts";
import { deviceAndSeq, trackingPayload } from "../../kit/payload.ts";
import { TestProcess } from "../../kit/servers/process.ts";

const SHORT_SESSIONS = { "group.min.session.timeout.ms": 500 };
const DEVICES = Array.from({ length: 6 }, (_, i) => `device-${i}`);

/** Sends `rounds` numbered messages of each device to the partitions of a topic. */
async function produce(server: string, topic: string, from: number, rounds: number): Promise<void> {
  const producer = await connectProducer(server);
  for (let seq = from; seq < from + rounds; seq++) {
    const messages = DEVICES.map((key, i) => ({
      key,
      value: trackingPayload(key, seq),
      partition: i % 3,
    }));
    await producer.send({ topic, messages });
  }
  await producer.disconnect();
}

/** Fails unless each device's messages came once and in order, as a fanout would pass them on. */
function assertFlawless(received: readonly Received[], rounds: number): void {
  const last = new Map<string, number>();
  for (const { text } of received) {
    const { deviceId, seq } = deviceAndSeq(text);
    assert.equal(seq, (last.get(deviceId) ?? 0) + 1, `${deviceId} after ${last.get(deviceId)}`);
    last.set(deviceId, seq);
  }
  assert.deepEqual(Object.fromEntries(last), Object.fromEntries(DEVICES.map((id) => [id, rounds])));
}

Deno.test("KafkaSource waits for a killed broker and continues without loss", async () => {
  await using kafka = await Kafka.prepare();
  await using running = new RunningSource(kafka.bootstrap, { topics: ["t"] });
  await eventually("the reason", () => /connection refused/.test(running.intake.reasons[0] ?? ""));
  await kafka.start();
  await createTopic(kafka.bootstrap, "t");
  await produce(kafka.bootstrap, "t", 1, 10);
  await running.has(60);
  for (const from of [11, 21]) {
    running.intake.stall();
    await produce(kafka.bootstrap, "t", from, 5);
    await running.has(6 * (from + 4));
    await kafka.stop("SIGKILL");
    await eventually("not connected", () => !running.intake.isConnected, { timeoutMs: 30_000 });
    running.intake.store();
    await kafka.start();
    await produce(kafka.bootstrap, "t", from + 5, 5);
    await running.has(6 * (from + 9));
  }
  assertFlawless(running.intake.fresh, 30);
  assert.equal(running.intake.received.length, 180, "records waiting to be stored are read once");
  await eventually(
    "commits",
    async () => await committedOf(kafka.bootstrap, running.config.groupId, "t") === 180,
  );
  const warnings = running.intake.lines.filter((line) => /^warning: .*refused/.test(line));
  assert.ok(warnings.length <= 6, warnings.join("\n"));
});

Deno.test("KafkaSource keeps its partitions and its memory while nothing can be stored", async () => {
  await using kafka = await Kafka.start({ extra: SHORT_SESSIONS });
  await createTopic(kafka.bootstrap, "t");
  await produce(kafka.bootstrap, "t", 1, 100);
  await using running = await RunningSource.connected(kafka.bootstrap, {
    topics: ["t"],
    sessionMs: 800,
    intake: { stores: false, credit: 50 },
  });
  await running.has(50);
  const { groupId } = running.config;
  const members = () =>
    withAdmin(kafka.bootstrap, async (admin) => {
      const { groups } = await admin.describeGroups([groupId]);
      return groups[0]!.members.map(({ memberId }) => memberId);
    });
  const [member] = await members();
  // Three times as long as the group would wait for a silent member.
  const until = performance.now() + 2_400;
  await eventually("three sessions", () => performance.now() > until);
  assert.deepEqual(await members(), [member]);
  assert.equal(running.intake.received.length, 50);
  assert.ok(running.intake.isConnected);
  running.intake.store();
  await running.has(600);
  assertFlawless(running.intake.received, 100);
});

Deno.test("KafkaSource skips and counts records that expired while it was held back", async () => {
  await using kafka = await Kafka.start();
  await createTopic(kafka.bootstrap, "t", 1);
  const record = (seq: number) => ({ value: trackingPayload("d", seq, { chars: 50_000 }) });
  await kafka.produce("t", Array.from({ length: 60 }, (_, i) => record(i + 1)));
  await using running = await RunningSource.connected(kafka.bootstrap, {
    topics: ["t"],
    intake: { stores: false, credit: 5 },
  });
  await running.has(5);
  await withAdmin(kafka.bootstrap, async (admin) => {
    await admin.fetchTopicOffsets("t");
    await admin.deleteTopicRecords({ topic: "t", partitions: [{ partition: 0, offset: "55" }] });
  });
  running.intake.store();
  await eventually("the last", () => running.intake.received.at(-1)?.offset === 59);
  const before = running.intake.received.findIndex(({ offset }) => offset === 55);
  await eventually("the count", () => running.intake.droppedCount > 0, { timeoutMs: 20_000 });
  assert.equal(before + running.intake.droppedCount, 55);
  assert.deepEqual(running.intake.fresh, running.intake.received);
});

Deno.test("KafkaSource shares partitions with a second member and loses nothing", async () => {
  await using kafka = await Kafka.start({ extra: SHORT_SESSIONS });
  await createTopic(kafka.bootstrap, "t");
  const groupId = "shared";
  const config = { topics: ["t"], groupId, sessionMs: 2_000 };
  await using first = await RunningSource.connected(kafka.bootstrap, config);
  await produce(kafka.bootstrap, "t", 1, 20);
  await first.has(120);
  const seen: Received[] = [...first.intake.received];
  {
    await using second = TestProcess.start(Deno.execPath(), {
      name: "member",
      args: [
        ...["run", "-A", new URL("../../ingest/kafka/member.ts", import.meta.url).pathname],
        ...[kafka.bootstrap, groupId, "t"],
      ],
    });
    await second.waitForOutput('"connected"');
    await eventually("a share", () => first.detail.partitions.length < 3, { timeoutMs: 30_000 });
    await produce(kafka.bootstrap, "t", 21, 20);
    const ofSecond = () =>
      second.stdout.split("\n").filter((line) => line.startsWith('{"received"'))
        .map((line) => JSON.parse(line).received as Received);
    await eventually("both read", () => ofSecond().length + first.intake.fresh.length === 240);
    assert.ok(ofSecond().length > 0);
    seen.push(...ofSecond());
    first.intake.received.splice(0, 120);
    const produced = produce(kafka.bootstrap, "t", 41, 20);
    second.kill("SIGKILL");
    await second.waitForExit();
    await produced;
    await eventually("all partitions", () => first.detail.partitions.length === 3, {
      timeoutMs: 30_000,
    });
    await eventually("all read", () => {
      const all = new Set(
        [...seen, ...ofSecond(), ...first.intake.received].map(({ text }) => text),
      );
      return all.size === 360;
    });
    seen.push(...ofSecond().slice(seen.length - 120), ...first.intake.received);
  }
  assertFlawless(once(seen), 60);
});

/** Drops repeats as a fanout would; ordered within each partition. */
function once(received: readonly Received[]): Received[] {
  const byPlace = new Map(received.map((one) => [`${one.sourceOffset}|${one.offset}`, one]));
  return [...byPlace.values()].sort((a, b) => a.offset - b.offset);
}

Deno.test("KafkaSource reports a wrong password without logging it, and retries forever", async () => {
  await using kafka = await Kafka.start({ users: { ana: "another-word" } });
  await createTopic(kafka.bootstrap, "t");
  await kafka.produce("t", [{ value: "{}" }]);
  const mechanisms = ["plain", "scram-sha-256", "scram-sha-512"] as const;
  const password = "secret-word";
  const start = (mechanism: typeof mechanisms[number], password: string) =>
    new RunningSource(kafka.saslBootstrap, {
      topics: ["t"],
      sasl: { mechanism, username: "ana", password },
    });
  for (const mechanism of mechanisms) {
    await using right = start(mechanism, "another-word");
    await right.has(1);
    await using wrong = start(mechanism, password);
    await eventually("two tries", () => wrong.intake.reasons.length >= 2);
    assert.match(wrong.intake.reasons[0]!, /authentication failed: check KAFKA_USERNAME/);
    const said = JSON.stringify([wrong.intake.lines, wrong.intake.states]);
    assert.ok(!said.includes(password), said);
  }
  await using corrected = start("plain", password);
  await eventually("a try", () => corrected.intake.reasons.length >= 1);
  await kafka.restart({ users: { ana: password } });
  await corrected.has(1);
});

Deno.test("KafkaSource uses a CA file and a client certificate, and reports problems with them", async () => {
  await using certificates = await Certificates.create();
  const server = await certificates.server();
  const client = await certificates.client();
  await using kafka = await Kafka.start({
    tls: { caPath: certificates.caPath, server, requireClientCertificate: true },
  });
  await createTopic(kafka.bootstrap, "t");
  await kafka.produce("t", [{ value: "{}" }]);
  const tls = { topics: ["t"], ssl: true, caPath: certificates.caPath };
  const reasonOf = async (config: Parameters<typeof RunningSource.connected>[1]) => {
    await using running = new RunningSource(kafka.sslBootstrap, config);
    await eventually("a reason", () => running.intake.reasons.length > 0, { timeoutMs: 30_000 });
    return running.intake.reasons[0]!;
  };
  assert.match(await reasonOf({ topics: ["t"], ssl: true }), /certificate|issuer|UnknownIssuer/i);
  assert.match(await reasonOf(tls), /certificate/i);
  assert.match(await reasonOf({ ...tls, caPath: "/no/such/file" }), /KAFKA_CA_PATH cannot be read/);
  const other = await certificates.client("other");
  assert.match(
    await reasonOf({ ...tls, certPath: client.certPath, keyPath: other.keyPath }),
    /KAFKA_KEY_PATH is not the key/,
  );
  await using running = new RunningSource(kafka.sslBootstrap, { ...tls, ...client });
  await running.has(1);
});
