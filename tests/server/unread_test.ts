/** Clients that read nothing, at the default times, in virtual time. */

import assert from "node:assert/strict";
import { Hub } from "../../broker/streams/hub.ts";
import { Interest } from "../../broker/messages/interest.ts";
import { MemoryFanout } from "../../broker/log/memory_fanout.ts";
import { SseSink } from "../../broker/streams/sse_sink.ts";
import { WsSink } from "../../broker/streams/ws_sink.ts";
import { Connection } from "../../server/connection.ts";
import { EventOutput } from "../../server/event_output.ts";
import { ServerWebSocket } from "../../server/web_socket.ts";
import { Scheduler } from "../broker/simulation/scheduler.ts";
import { configOf } from "../kit/config.ts";
import { FakeConn } from "../kit/fake_conn.ts";
import { VirtualTimers } from "../property/virtual_timers.ts";

const { keepaliveSeconds, limits: { writeSeconds } } = configOf();
const noHandlers = { onMessage() {}, onTooBig() {}, onGone() {} };

function sinkOn(transport: "ws" | "sse", { conn }: FakeConn) {
  const connection = new Connection(conn);
  if (transport === "ws") {
    return new WsSink(new ServerWebSocket(connection, noHandlers, 65_536));
  }
  const output = new EventOutput(connection, () => {});
  output.start(new Uint8Array(10));
  return new SseSink(output);
}

for (const transport of ["ws", "sse"] as const) {
  for (const textLength of [1, 200, 70_000]) {
    Deno.test(`${transport}: a client that reads nothing is closed at the default times, one that reads slowly is not (${textLength} bytes)`, async () => {
      const scheduler = new Scheduler();
      using _timers = new VirtualTimers(scheduler);
      await using fanout = new MemoryFanout({ retentionMs: 60_000, recentMaxBytes: 1_000_000 });
      using hub = new Hub(fanout, {
        limits: { maxPerDevice: 100, maxBytes: 1_000_000 },
        keepaliveSeconds,
        writeSeconds,
        staleSeconds: 300,
        onDrop: () => {},
      });
      fanout.start(hub);
      const [stuck, slow] = ["A", "A"].map((id) => {
        const fake = new FakeConn();
        const session = hub.open(sinkOn(transport, fake), Interest.parse([id], 1));
        hub.attach(session);
        return { fake, session };
      });
      stuck!.fake.room = slow!.fake.room = 100;
      setInterval(() => slow!.fake.room = 50, 30_000);
      fanout.publish([{ deviceId: "A", payload: JSON.stringify("x".repeat(textLength)) }]);
      hub.ping(stuck!.session);
      hub.ping(slow!.session);
      const limitMs = (2 * writeSeconds + 1) * 1000;
      const isClosed = await scheduler.run(() => stuck!.session.closed, limitMs);
      assert.ok(isClosed, "still open");
      assert.ok(scheduler.now >= writeSeconds * 1000);
      assert.ok(stuck!.fake.closed, "its socket is open");
      await scheduler.run(() => false, 10 * limitMs);
      assert.equal(slow!.session.closed, false);
    });
  }
}
