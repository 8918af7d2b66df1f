import assert from "node:assert/strict";
import type { Entry } from "../../../broker/messages/message.ts";
import type { Logger } from "../../../telemetry/log.ts";
import type { SourceState } from "../../../ingest/runtime/source.ts";
import { Supervisor, type SupervisorOptions } from "../../../ingest/runtime/supervisor.ts";
import { eventually, within } from "../../kit/eventually.ts";
import { TempDir } from "../../kit/temp_dir.ts";
import type { ObedientConfig } from "./obedient_worker.ts";

interface Store {
  readonly entries: Entry[];
  /** Waiting batches, in the order of the calls; empty unless `hold` is set. */
  readonly waiting: PromiseWithResolvers<void>[];
  hold: boolean;
}

function supervise(
  options: Partial<SupervisorOptions> & { readonly source?: ObedientConfig } = {},
) {
  const store: Store = { entries: [], waiting: [], hold: false };
  const lines: string[] = [];
  const states: SourceState["state"][] = [];
  const topics: string[] = [];
  const write = (_text: string, values: { text?: string; reason?: string }) =>
    lines.push(values.text ?? values.reason ?? "");
  const supervisor = new Supervisor({
    name: "obedient",
    kind: "test",
    worker: new URL("./obedient_worker.ts", import.meta.url),
    config: {
      source: options.source ?? {},
      check: { maxMessageBytes: 60_000, commandTopicPrefix: "c/" },
      heartbeatMs: 50,
    },
    logger: { debug: write, info: write, warning: write, error: write } as unknown as Logger,
    publish: (entries) => {
      store.entries.push(...entries);
      if (!store.hold) return Promise.resolve();
      const batch = Promise.withResolvers<void>();
      store.waiting.push(batch);
      return batch.promise;
    },
    onState: ({ state }) => states.push(state),
    onSubscribed: (list) => topics.push(list.join()),
    restart: { minMs: 10, maxMs: 50 },
    ...options,
  });
  const tell = (topic: string, payload = "", timeoutMs = 5_000) =>
    supervisor.publish({ topic, payload, qos: 1 }, timeoutMs);
  const connected = () =>
    eventually("connected", () => supervisor.state.state === "connected", { timeoutMs: 30_000 });
  const acks = () => lines.filter((line) => line.startsWith("ack ")).map((line) => line.slice(4));
  return { supervisor, store, lines, states, topics, tell, connected, acks };
}

Deno.test("Supervisor publishes a worker's messages and lets it ack stored ones", async () => {
  const { supervisor, store, tell, connected, acks } = supervise();
  await using _ = supervisor;
  supervisor.start();
  await connected();
  store.hold = true;
  await tell("receive", "a,bad,b");
  await eventually("the batch", () => store.waiting.length === 1);
  await tell("receive", "c");
  await eventually("the next batch", () => store.waiting.length === 2);
  assert.deepEqual(store.entries.map(({ deviceId }) => deviceId), ["a", "b", "c"]);
  store.waiting[1]!.resolve();
  await tell("receive", "d");
  await eventually("one more", () => store.waiting.length === 3);
  assert.deepEqual(acks(), [], "c is stored, but a is not");
  store.waiting[0]!.resolve();
  await eventually("acks", () => acks().length === 4);
  assert.deepEqual(acks(), ["a", "bad", "b", "c"]);
  store.waiting[2]!.resolve();
  await eventually("the counters", () => supervisor.counters.received === 5);
  assert.deepEqual(supervisor.counters, { received: 5, malformed: 1, dropped: 0, reconnects: 0 });
  assert.deepEqual(supervisor.detail, { obedient: true });
});

Deno.test("Supervisor publishes messages with their source offsets", async () => {
  const { supervisor, store, tell, connected } = supervise();
  await using _ = supervisor;
  supervisor.start();
  await connected();
  await tell("marked", "a:0:7,b:0:9,c:1:3,d,e:1:4,f:0:12");
  await eventually("the messages", () => store.entries.length === 6);
  const sourceOffsets = store.entries.map(({ deviceId, sourceOffset }) =>
    sourceOffset ? `${deviceId}:${sourceOffset.key.at(-1)}:${sourceOffset.offset}` : deviceId
  );
  assert.equal(sourceOffsets.join(), "a:0:7,b:0:9,c:1:3,d,e:1:4,f:0:12");
});

for (
  const [fault, reason] of [
    ["throw", /the worker failed: .*told to throw/],
    ["reject", /the worker failed: .*told to reject/],
    ["hang", /no sign of life/],
    ["close", /no sign of life/],
  ] as const
) {
  Deno.test(`Supervisor restarts a worker after ${fault} and keeps its counters`, async () => {
    const { supervisor, store, lines, states, tell, connected } = supervise({
      heartbeatTimeoutMs: 1_500,
    });
    await using _ = supervisor;
    supervisor.start();
    await connected();
    await tell("receive", "a,bad");
    await eventually("the counters", () => supervisor.counters.received === 2);
    await assert.rejects(tell(fault, `told to ${fault}`, 20_000), reason);
    await eventually("restarted", () => supervisor.restarts === 1, { timeoutMs: 20_000 });
    await connected();
    await tell("receive", "b");
    await eventually("b", () => store.entries.at(-1)?.deviceId === "b");
    await eventually("the sum", () => supervisor.counters.received === 3);
    assert.deepEqual(supervisor.counters, { received: 3, malformed: 1, dropped: 0, reconnects: 1 });
    assert.ok(lines.some((line) => reason.test(line)), lines.join("\n"));
    assert.deepEqual(states, ["connecting", "connected", "waiting", "connected"]);
  });
}

Deno.test("Supervisor keeps trying if the worker fails on start", async () => {
  await using dir = await TempDir.create();
  const failWhile = await dir.write("broken", "");
  const { supervisor, connected, states } = supervise({ source: { failWhile } });
  await using _ = supervisor;
  supervisor.start();
  await eventually("three tries", () => supervisor.restarts >= 3, { timeoutMs: 30_000 });
  await Deno.remove(failWhile);
  await connected();
  assert.ok(!states.slice(0, -1).includes("connected"));
});

Deno.test("Supervisor restarts the worker if its messages cannot be stored", async () => {
  let fail = true;
  const { supervisor, store, tell, connected, acks } = supervise({
    publish: (entries) => {
      if (fail) return Promise.reject(new Error("closed"));
      store.entries.push(...entries);
      return Promise.resolve();
    },
  });
  await using _ = supervisor;
  supervisor.start();
  await connected();
  await tell("receive", "a");
  await eventually("restarted", () => supervisor.restarts === 1);
  await connected();
  fail = false;
  await tell("receive", "b");
  await eventually("b", () => acks().length > 0);
  assert.deepEqual(acks(), ["b"]);
});

Deno.test("Supervisor stops and starts as often as the lease moves", async () => {
  const { supervisor, store, tell, connected, states } = supervise();
  await assert.rejects(tell("receive", "a"), /is not running/);
  for (let round = 0; round < 3; round++) {
    supervisor.start();
    supervisor.start();
    await connected();
    await tell("receive", `r${round}`);
    await eventually("the message", () => store.entries.length === round + 1);
    await Promise.all([supervisor.stop(), supervisor.stop()]);
    assert.equal(supervisor.state.state, "stopped");
    assert.equal(supervisor.counters.received, round + 1);
  }
  assert.equal(supervisor.restarts, 0);
  assert.deepEqual(states.slice(0, 3), ["connecting", "connected", "stopped"]);
  const stopped = supervisor.stop();
  supervisor.start();
  await stopped;
  await connected();
  await supervisor.stop();
  supervisor.start();
  await supervisor.stop();
  assert.equal(supervisor.state.state, "stopped");
});

Deno.test("Supervisor terminates a worker that hangs on stop", async () => {
  const { supervisor, tell, connected } = supervise();
  supervisor.start();
  await connected();
  tell("hang").catch(() => {});
  const start = performance.now();
  await supervisor.stop(300);
  assert.ok(performance.now() - start < 2_000);
});

Deno.test("Supervisor publishes messages that it gets before its worker has started", async () => {
  const slow = "data:text/javascript,await new Promise((done) => setTimeout(done, 100))";
  const { supervisor, lines, tell } = supervise({
    config: {
      source: {},
      modules: [slow],
      check: { maxMessageBytes: 60_000, commandTopicPrefix: "c/" },
    },
  });
  await using _ = supervisor;
  supervisor.start();
  await Promise.all([tell("receive", "A"), tell("receive", "B")]);
  await eventually("both acks, in order", () => lines.join().endsWith("ack A,ack B"));
});

Deno.test("Supervisor immediately stops a worker that has not started yet", async () => {
  const loading = Promise.withResolvers<void>();
  const channel = new BroadcastChannel("endless module");
  channel.onmessage = () => loading.resolve();
  const endless = `data:text/javascript,const channel = new BroadcastChannel("endless module");
    channel.postMessage(1); await new Promise(() => {})`;
  const { supervisor } = supervise({
    config: {
      source: {},
      modules: [endless],
      check: { maxMessageBytes: 60_000, commandTopicPrefix: "c/" },
    },
  });
  supervisor.start();
  await loading.promise;
  channel.close();
  const publishing = assert.rejects(supervisor.publish({ topic: "receive", payload: "A", qos: 1 }));
  await within("the stop", supervisor.stop(60_000), 20_000);
  await publishing;
});

Deno.test("Supervisor passes on why a publish failed", async () => {
  const { supervisor, tell, connected } = supervise();
  await using _ = supervisor;
  supervisor.start();
  await connected();
  await assert.rejects(tell("fly"), /cannot fly/);
});

Deno.test("Supervisor reports the topics and passes them to the next worker", async () => {
  const { supervisor, topics, lines, tell, connected } = supervise({ previousTopics: ["x"] });
  await using _ = supervisor;
  supervisor.start();
  await connected();
  await tell("subscribed", "a,b");
  assert.deepEqual(topics, ["a,b"]);
  tell("throw", "now").catch(() => {});
  await eventually("restarted", () => supervisor.restarts === 1);
  await connected();
  await eventually("the log", () => lines.includes("previous topics: a,b"));
  assert.ok(lines.includes("previous topics: x"));
});

Deno.test("Supervisor counts the reconnects of a source", async () => {
  const { supervisor, tell, connected, states } = supervise();
  await using _ = supervisor;
  supervisor.start();
  await connected();
  await tell("reconnect", "test");
  await eventually("the counters", () => supervisor.counters.reconnects === 1);
  assert.deepEqual(states, ["connecting", "connected", "waiting", "connected"]);
});

Deno.test("Supervisor logs only a few lines about many malformed messages", async () => {
  const { supervisor, lines, tell, connected } = supervise();
  await using _ = supervisor;
  supervisor.start();
  await connected();
  await tell("receive", Array(2_000).fill("bad").join());
  await eventually("the counters", () => supervisor.counters.malformed === 2_000);
  const told = lines.filter((line) => line.includes("skipped"));
  assert.ok(told.length >= 1 && told.length <= 10, `${told.length} lines`);
  assert.match(told[0]!, /not_json, 1 bytes, topic "t"/);
});

Deno.test("Supervisor keeps trying if the worker's module cannot be loaded", async () => {
  const { supervisor } = supervise({ worker: new URL("./no_such_worker.ts", import.meta.url) });
  await using _ = supervisor;
  supervisor.start();
  await eventually("two tries", () => supervisor.restarts >= 2, { timeoutMs: 30_000 });
  assert.match(JSON.stringify(supervisor.state), /the worker failed/);
});
