/** A session whose code throws is closed, and no other session is affected. */

import assert from "node:assert/strict";
import { Hub, type HubOptions } from "../../../broker/streams/hub.ts";
import { Interest } from "../../../broker/messages/interest.ts";
import { MemoryFanout } from "../../../broker/log/memory_fanout.ts";
import type { Session, SessionMode } from "../../../broker/streams/session.ts";
import { VirtualTimers } from "../../property/virtual_timers.ts";
import { FakeSink } from "./fake_sink.ts";
import { Scheduler } from "../simulation/scheduler.ts";

type Failing = "write" | "event" | "events" | "comment" | "close" | "abandon" | "taken";

/** A sink whose methods throw if a test says so. */
class BrokenSink extends FakeSink {
  readonly failing = new Set<Failing>();

  override write(...args: Parameters<FakeSink["write"]>): number {
    this.#fail("write");
    return super.write(...args);
  }

  override event(...args: Parameters<FakeSink["event"]>): void {
    this.#fail("event");
    super.event(...args);
  }

  override events(...args: Parameters<FakeSink["events"]>): void {
    this.#fail("events");
    super.events(...args);
  }

  override comment(): void {
    this.#fail("comment");
    super.comment();
  }

  override close(...args: Parameters<FakeSink["close"]>): void {
    this.#fail("close");
    super.close(...args);
  }

  override abandon(): void {
    this.#fail("abandon");
    super.abandon();
  }

  #fail(what: Failing): void {
    if (this.failing.has(what)) throw new TypeError(`${what} failed on purpose`);
  }
}

interface Client {
  readonly session: Session;
  readonly sink: BrokenSink;
}

/** One client that fails between two that do not, in virtual time. */
class FaultKit implements Disposable {
  readonly scheduler = new Scheduler();
  readonly #timers = new VirtualTimers(this.scheduler);
  readonly fanout = new MemoryFanout({ retentionMs: 60_000, recentMaxBytes: 1_000_000 });
  readonly hub: Hub;
  readonly before: Client;
  readonly broken: Client;
  readonly after: Client;

  constructor({ options = {}, mode = {}, transport = "ws" }: {
    options?: Partial<HubOptions>;
    mode?: SessionMode;
    transport?: "ws" | "sse";
  } = {}) {
    this.hub = new Hub(this.fanout, {
      limits: { maxPerDevice: 10, maxBytes: 1_000_000 },
      keepaliveSeconds: 3600,
      commentSeconds: 3600,
      staleSeconds: 60,
      onDrop: () => {},
      ...options,
    });
    this.fanout.start(this.hub);
    const open = () => {
      const sink = new BrokenSink(transport);
      const session = this.hub.open(sink, Interest.parse(["*"], 1), mode);
      this.hub.attach(session);
      return { session, sink };
    };
    [this.before, this.broken, this.after] = [open(), open(), open()];
  }

  get good(): Client[] {
    return [this.before, this.after];
  }

  publish(...deviceIds: string[]): Promise<void> {
    return this.fanout.publish(deviceIds.map((deviceId) => ({ deviceId, payload: "1" })));
  }

  async pass(ms: number): Promise<void> {
    await this.scheduler.run(() => false, ms);
  }

  /** The broken session is closed and removed, the good ones are unchanged. */
  assertAlone(): void {
    assert.deepEqual(this.broken.sink.closed, { code: 1011, reason: "internal error" });
    assert.deepEqual([...this.hub.sessions], this.good.map(({ session }) => session));
    for (const { sink } of this.good) assert.equal(sink.closed, undefined);
    assert.equal(this.hub.totals.ws.connected + this.hub.totals.sse.connected, 2);
  }

  [Symbol.dispose](): void {
    this.hub[Symbol.dispose]();
    this.#timers[Symbol.dispose]();
  }
}

Deno.test("Hub: only the session whose sink throws is closed; the others get the whole batch", async () => {
  using kit = new FaultKit();
  kit.broken.sink.failing.add("write");
  await kit.publish("A", "B");
  await kit.publish("C");
  kit.assertAlone();
  for (const { sink } of kit.good) assert.deepEqual(sink.written, ["A:1", "B:2", "C:3"]);
});

Deno.test("Hub: a client whose session failed is told to reconnect, without a new position", async () => {
  using kit = new FaultKit();
  const { sink } = kit.broken;
  sink.failing.add("write");
  await kit.publish("A");
  const [, data] = /^goodbye (.*)$/.exec(sink.written.at(-1)!)!;
  const { reason, reconnect_ms } = JSON.parse(data!);
  assert.equal(reason, "error");
  assert.ok(reconnect_ms >= 1000 && reconnect_ms <= 3000, `${reconnect_ms}`);
  assert.equal(sink.ids.at(-1), undefined);
});

Deno.test("Hub: only the session that fails at a ping, a comment or a socket check is closed", async () => {
  const periods = { keepaliveSeconds: 1, commentSeconds: 2, writeSeconds: 3 };
  for (const failing of ["event", "comment", "taken"] as const) {
    using kit = new FaultKit({ options: periods, transport: "sse" });
    const { sink } = kit.broken;
    if (failing === "taken") {
      sink.buffered = 1;
      Object.defineProperty(sink, "taken", {
        get: () => {
          throw new TypeError("taken failed on purpose");
        },
      });
    } else sink.failing.add(failing);
    await kit.pass(6_500);
    kit.assertAlone();
    for (const good of kit.good) {
      const pings = good.sink.written.filter((text) => text.startsWith("ping"));
      assert.deepEqual([pings.length, good.sink.comments], [6, 3], failing);
    }
  }
});

Deno.test("Hub: only the session that fails while its queue drains is closed", async () => {
  using kit = new FaultKit();
  for (const { sink } of [...kit.good, kit.broken]) sink.room = 0;
  await kit.publish("A", "B");
  kit.broken.sink.failing.add("write");
  for (const { sink } of [...kit.good, kit.broken]) sink.room = Infinity;
  await kit.pass(100);
  kit.assertAlone();
  for (const { sink } of kit.good) assert.deepEqual(sink.written, ["A:1", "B:2"]);
  assert.equal(kit.hub.waitingSessions, 0);
});

Deno.test("Hub: only the session that fails at a presence event is closed, when a device appears or goes silent", async () => {
  for (const state of ["online", "stale"]) {
    using kit = new FaultKit({ mode: { presence: true } });
    if (state === "stale") await kit.publish("A");
    kit.broken.sink.failing.add("events");
    if (state === "online") await kit.publish("A");
    else await kit.pass(120_000);
    kit.assertAlone();
    for (const { sink } of kit.good) {
      assert.ok(sink.written.includes(`presence {"device_id":"A","state":"${state}"}`));
      assert.ok(sink.written.includes("A:1"));
    }
  }
});

Deno.test("Hub: a session that fails at goodbye or close does not affect the others", async () => {
  for (const failing of ["event", "close"] as const) {
    for (const how of ["reset", "dispose"]) {
      using kit = new FaultKit();
      let told = 0;
      kit.broken.session.onClosed = () => {
        told++;
        throw new TypeError("onClosed failed on purpose");
      };
      kit.broken.sink.failing.add(failing);
      kit.broken.sink.failing.add("abandon");
      if (how === "reset") kit.hub.onReset("log_reset");
      else kit.hub[Symbol.dispose]();
      for (const { sink } of kit.good) assert.equal(sink.closed?.code, 1001);
      assert.deepEqual([kit.hub.sessions.size, told], [0, 1]);
      assert.equal(kit.hub.totals.ws.connected, 0);
      await kit.pass(10);
    }
  }
});

Deno.test("Hub: a socket that cannot be closed is abandoned", () => {
  using kit = new FaultKit();
  kit.broken.sink.failing.add("close");
  kit.hub.close(kit.broken.session);
  assert.equal(kit.broken.sink.abandoned, true);
});
