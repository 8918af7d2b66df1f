import assert from "node:assert/strict";
import { IngressBuffer, type IngressBufferOptions } from "../../../ingest/mqtt/ingress_buffer.ts";
import type { Inbound } from "../../../ingest/mqtt/connection.ts";
import type { Ack } from "../../../ingest/runtime/source.ts";
import { eventually } from "../../kit/eventually.ts";

/** An intake whose credit the test gives. */
class Credits {
  readonly received: string[] = [];
  readonly acks: (() => void)[] = [];
  dropped = 0;
  #credit = 0;
  #waiter: PromiseWithResolvers<void> | undefined;

  give(messages: number): void {
    this.#credit += messages;
    this.#waiter?.resolve();
    this.#waiter = undefined;
  }

  readonly intake = {
    receive: (bytes: Uint8Array, _origin: unknown, ack?: Ack) => {
      this.#credit--;
      this.received.push(new TextDecoder().decode(bytes));
      if (ack) this.acks.push(() => ack(0));
    },
    ready: () => {
      if (this.#credit > 0) return undefined;
      this.#waiter ??= Promise.withResolvers<void>();
      return this.#waiter.promise;
    },
    dropped: (count: number) => {
      this.dropped += count;
    },
    log: () => {},
  };
}

function setup(options: Omit<IngressBufferOptions, "intake"> = {}) {
  const credits = new Credits();
  const ingressBuffer = new IngressBuffer({ holdMs: 100, ...options, intake: credits.intake });
  const acked: string[] = [];
  const abandoned: string[] = [];
  const done: string[] = [];
  const take = (name: string, qos: 0 | 1 | 2 = 0) => {
    const message: Inbound = {
      topic: "t",
      payload: new TextEncoder().encode(name),
      ack: qos === 0 ? undefined : () => acked.push(name),
      abandon: qos === 2 ? () => abandoned.push(name) : undefined,
    };
    ingressBuffer.take(message, () => done.push(name));
  };
  return { credits, ingressBuffer, acked, abandoned, done, take };
}

Deno.test("IngressBuffer passes messages on at once while there is credit", () => {
  const { credits, ingressBuffer, done, take } = setup();
  credits.give(2);
  take("a");
  take("b", 1);
  assert.deepEqual(credits.received, ["a", "b"]);
  assert.deepEqual(done, ["a", "b"]);
  assert.equal(ingressBuffer.holding, false);
});

Deno.test("IngressBuffer holds the parser without credit and continues in order", async () => {
  const { credits, ingressBuffer, done, take } = setup({ holdMs: 60_000 });
  take("a");
  assert.ok(ingressBuffer.holding);
  assert.deepEqual(done, []);
  credits.give(1);
  await eventually("a", () => done.length === 1);
  assert.deepEqual(credits.received, ["a"]);
  assert.equal(ingressBuffer.holding, false);
});

Deno.test("IngressBuffer releases the parser, keeps a backlog, then drops only QoS 0", async () => {
  const { credits, ingressBuffer, done, take } = setup({ maxBacklog: 3 });
  take("a");
  await eventually("released", () => done.length === 1);
  for (const name of ["b", "c", "d", "e"]) take(name);
  assert.equal(done.length, 5, "without progress nothing is held");
  assert.equal(credits.dropped, 2);
  take("q1", 1);
  take("q2", 2);
  assert.equal(ingressBuffer.backlog, 5);
  assert.equal(ingressBuffer.holding, false, "there is room for what MQTT 5 may have in flight");
  credits.give(10);
  await eventually("drained", () => ingressBuffer.backlog === 0);
  assert.deepEqual(credits.received, ["a", "b", "c", "q1", "q2"]);
  take("f");
  assert.equal(credits.received.at(-1), "f");
});

Deno.test("IngressBuffer also limits the bytes of the backlog", async () => {
  const { credits, done, take } = setup({ maxBacklogBytes: 100 });
  take("x".repeat(60));
  await eventually("released", () => done.length === 1);
  take("y".repeat(60));
  take("z");
  assert.equal(credits.dropped, 1);
});

Deno.test("IngressBuffer never drops QoS 1: it holds a broker that has no limit", async () => {
  const { credits, ingressBuffer, done, take } = setup({ maxBacklog: 1, maxBacklogBytes: 10 });
  take("a", 1);
  await eventually("released", () => done.length === 1);
  take("x".repeat(20), 1);
  take("b", 1);
  assert.deepEqual(done.at(-1), "x".repeat(20));
  assert.ok(ingressBuffer.holding, "b is kept, and its parser waits");
  await new Promise((resolve) => setTimeout(resolve, 250));
  assert.ok(ingressBuffer.holding, "for longer than holdMs");
  credits.give(2);
  await eventually("b's parser", () => done.at(-1) === "b");
  credits.give(1);
  await eventually("drained", () => ingressBuffer.backlog === 0);
  assert.equal(credits.dropped, 0);
  assert.deepEqual(credits.received, ["a", "x".repeat(20), "b"]);
});

Deno.test("IngressBuffer keeps holding while there is progress, however slow", async () => {
  const { credits, ingressBuffer, done, take } = setup({ holdMs: 300 });
  take("m0");
  for (let i = 0; i < 8; i++) {
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.ok(ingressBuffer.holding);
    credits.give(1);
    await eventually("the next", () => done.length === i + 1, { intervalMs: 1 });
    take(`m${i + 1}`);
  }
  assert.equal(credits.received.length, 8);
});

Deno.test("IngressBuffer removes messages that the broker resends, and keeps QoS 0", async () => {
  const { credits, ingressBuffer, abandoned, done, take } = setup();
  take("a", 1);
  await eventually("released", () => done.length === 1);
  take("b");
  take("c", 2);
  ingressBuffer.forgetUnacked();
  assert.deepEqual(abandoned, ["c"]);
  credits.give(5);
  await eventually("drained", () => ingressBuffer.backlog === 0);
  assert.deepEqual(credits.received, ["b"]);
});

Deno.test("IngressBuffer.settled() waits for the acks of passed-on messages", async () => {
  const { credits, ingressBuffer, acked, take } = setup();
  await ingressBuffer.settled(0);
  credits.give(2);
  take("a", 1);
  take("b", 1);
  let settled = false;
  const settling = ingressBuffer.settled(10_000).then(() => settled = true);
  credits.acks[0]!();
  await Promise.resolve();
  assert.equal(settled, false);
  credits.acks[1]!();
  await settling;
  assert.deepEqual(acked, ["a", "b"]);
});

Deno.test("IngressBuffer.stop() ends intake, frees parsers and counts waiting QoS 0", async () => {
  const { credits, ingressBuffer, done, take } = setup({ holdMs: 60_000 });
  take("a");
  take("b", 1);
  ingressBuffer.stop();
  assert.deepEqual(done, ["a", "b"]);
  assert.equal(credits.dropped, 1);
  credits.give(5);
  take("c", 1);
  await Promise.resolve();
  assert.deepEqual(credits.received, []);
  assert.deepEqual(done, ["a", "b", "c"]);
});
