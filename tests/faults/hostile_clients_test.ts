/** Hostile clients: frames of 60 MB, and a crowd that connects to a full server. */

import assert from "node:assert/strict";
import { Checker } from "../kit/checker.ts";
import { eventually, within } from "../kit/eventually.ts";
import { MemoryWatch } from "../kit/memory.ts";
import { deviceAndSeq, trackingPayload } from "../kit/payload.ts";
import { parseWsFrame } from "../kit/received.ts";
import { say } from "../kit/say.ts";
import { System } from "../kit/system.ts";
import { WsClient } from "../kit/clients/ws_client.ts";
import type { CrowdDone, ToCrowd } from "./crowd_worker.ts";
import type { BigFramesDone } from "./big_frames_worker.ts";

const FRAME_BYTES = 60_000_000;
const LIMIT = 5_000;
const IDLE = 10_000;
const NEW_A_SECOND = 500;
const FLOOD_SECONDS = 10;

/** Publishes messages of one device at a steady pace, and measures their latency to clients. */
class Steady implements AsyncDisposable {
  readonly latencies: number[] = [];
  readonly #checker = new Checker();
  readonly #sentAt = new Map<number, number>();
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  private constructor(private readonly system: System, private readonly clients: WsClient[]) {}

  static async start(system: System, count: number): Promise<Steady> {
    const clients: WsClient[] = [];
    const steady = new Steady(system, clients);
    for (let i = 0; i < count; i++) {
      const expectation = steady.#checker.client("ws", { devices: ["A"] });
      clients.push(
        await WsClient.open(system.telecast.wsUrl("device_ids=A"), {
          onFrame: (text) => {
            const { event, data } = parseWsFrame(text);
            if (event !== "message") return;
            const { deviceId, seq } = deviceAndSeq(data);
            steady.latencies.push(performance.now() - steady.#sentAt.get(seq)!);
            expectation.saw(deviceId, seq);
          },
        }),
      );
    }
    await eventually("the clients", async () => {
      const { active_subscribers } = await system.telecast.json("/api/v1/stream/stats");
      return active_subscribers === count;
    });
    steady.#running = steady.#run();
    return steady;
  }

  /** Fails if a client lost a message or got one twice. */
  async end(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    await eventually("all messages", () => this.#checker.complete(), { timeoutMs: 60_000 });
    this.#checker.assertFlawless();
  }

  get text(): string {
    const sorted = this.latencies.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)]!.toFixed(1);
    return `${sorted.length} deliveries, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#running;
    for (const client of this.clients) await client[Symbol.asyncDispose]();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const seq = this.#checker.next("A");
      this.#sentAt.set(seq, performance.now());
      await this.system.publisher.publishAll([
        { topic: "fleet/A", payload: trackingPayload("A", seq) },
      ]);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

Deno.test("frames of 60 MB close their connections, the process survives, and others lose nothing", async () => {
  await using system = await System.start();
  const { telecast } = system;
  await using steady = await Steady.start(system, 5);
  await eventually("a baseline", () => steady.latencies.length >= 500);
  say(`before the frames: ${steady.text}`);
  steady.latencies.length = 0;
  await using memory = await MemoryWatch.start(telecast.process);
  const worker = new Worker(new URL("./big_frames_worker.ts", import.meta.url), { type: "module" });
  const done = Promise.withResolvers<BigFramesDone>();
  worker.onmessage = ({ data }) => done.resolve(data);
  worker.onerror = ({ message }) => done.reject(new Error(message));
  worker.postMessage({ port: telecast.port, bytes: FRAME_BYTES, rounds: 3 });
  const { whole, pieces } = await within("the frames", done.promise, 60_000);
  worker.terminate();
  assert.deepEqual(whole, [1009, 1009, 1009]);
  assert.equal(pieces, 1009);
  await steady.end();
  say(`frames of 60 MB: ${steady.text}; memory grew by ${Math.round(memory.growthBytes / 1e6)} MB`);
  assert.equal((await telecast.json("/livez")).status, "ok");
});

Deno.test("behind the guard, frames of 60 MB are read slowly and cost others next to nothing", async () => {
  await using system = await System.start({ env: { CONNECTION_GUARD: "true" } });
  const { telecast } = system;
  await using steady = await Steady.start(system, 5);
  await eventually("a baseline", () => steady.latencies.length >= 500);
  say(`before the frames: ${steady.text}`);
  steady.latencies.length = 0;
  await using memory = await MemoryWatch.start(telecast.process);
  const worker = new Worker(new URL("./big_frames_worker.ts", import.meta.url), { type: "module" });
  worker.onerror = (event) => event.preventDefault();
  worker.postMessage({ port: telecast.port, bytes: FRAME_BYTES, rounds: 1 });
  await eventually("latencies during the frames", () => steady.latencies.length >= 1_000, {
    timeoutMs: 60_000,
  });
  worker.terminate();
  await steady.end();
  const grown = Math.round(memory.growthBytes / 1e6);
  say(`frames of 60 MB at the guard: ${steady.text}; memory grew by ${grown} MB`);
  assert.ok(grown < 120, "too much was read");
});

Deno.test(`${IDLE} idle clients and ${NEW_A_SECOND} new ones a second at a limit of ${LIMIT}: connected clients lose nothing`, async () => {
  await using system = await System.start({ env: { MAX_CONNECTIONS: String(LIMIT) } });
  const { telecast } = system;
  const inside = 10;
  await using steady = await Steady.start(system, inside);
  const worker = new Worker(new URL("./crowd_worker.ts", import.meta.url), { type: "module" });
  const crowd = (message: ToCrowd): Promise<CrowdDone> =>
    within(
      message.type,
      new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = ({ message }) => reject(new Error(message));
        worker.postMessage(message);
      }),
      240_000,
    );
  const filled = await crowd({ type: "fill", port: telecast.port, clients: IDLE });
  assert.deepEqual(filled.statuses, { 101: LIMIT - inside, 503: IDLE - LIMIT + inside });
  const before = steady.latencies.length;
  const flooded = await crowd({
    type: "flood",
    perSecond: NEW_A_SECOND,
    seconds: FLOOD_SECONDS,
  });
  steady.latencies.splice(0, before);
  assert.equal(flooded.statuses[101], LIMIT - inside, "no new client got in");
  assert.equal(flooded.withoutRetryAfter, 0);
  const { active_subscribers } = await telecast.json("/api/v1/stream/stats");
  assert.equal(active_subscribers, LIMIT);
  await steady.end();
  const rate = Math.round(NEW_A_SECOND * FLOOD_SECONDS / flooded.seconds);
  say(`${LIMIT} connected, ${rate} refused a second: ${steady.text}`);
  await crowd({ type: "leave" });
  worker.terminate();
  await eventually("they are gone", async () => {
    return (await telecast.json("/api/v1/stream/stats")).active_subscribers === inside;
  }, { timeoutMs: 60_000 });
});
