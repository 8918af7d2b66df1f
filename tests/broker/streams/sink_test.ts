/** Both sinks on real connections, with the test as the client. */

import assert from "node:assert/strict";
import { type Sink, SOCKET_BYTES, UNREAD_EVENT_BYTES } from "../../../broker/streams/sink.ts";
import { SseSink } from "../../../broker/streams/sse_sink.ts";
import { WsSink } from "../../../broker/streams/ws_sink.ts";
import { closed } from "../../../telemetry/metrics.ts";
import { Connection } from "../../../server/connection.ts";
import { EventOutput } from "../../../server/event_output.ts";
import { ServerWebSocket } from "../../../server/web_socket.ts";
import { FakeConn } from "../../kit/fake_conn.ts";

class Kit implements Disposable {
  readonly fake = new FakeConn();
  readonly connection = new Connection(this.fake.conn);
  readonly sink: Sink;
  gone = 0;

  constructor(transport: "ws" | "sse") {
    const onGone = () => this.gone++;
    if (transport === "ws") {
      const handlers = { onMessage() {}, onTooBig() {}, onGone };
      this.sink = new WsSink(new ServerWebSocket(this.connection, handlers, 65_536));
    } else {
      const output = new EventOutput(this.connection, onGone);
      output.start(new Uint8Array());
      this.sink = new SseSink(output);
    }
  }

  /** Writes events until the socket is full. */
  fill(): void {
    this.fake.room = 0;
    while (!this.sink.full) this.sink.event("snapshot", JSON.stringify("x".repeat(10_000)));
  }

  [Symbol.dispose](): void {
    this.connection.close();
  }
}

async function cutOff(): Promise<number> {
  const { values } = await closed.counter.get();
  return values.find(({ labels }) => labels["reason"] === "unread_events")?.value ?? 0;
}

for (const transport of ["ws", "sse"] as const) {
  Deno.test(`${transport}: events for a client that does not read are bounded, whatever it makes us send`, async () => {
    using kit = new Kit(transport);
    const before = await cutOff();
    kit.fill();
    let most = 0;
    for (let n = 0; n < 100_000 && kit.gone === 0; n++) {
      kit.sink.event("error", JSON.stringify({ message: "x".repeat(80), code: "bad_json" }));
      most = Math.max(most, kit.sink.buffered);
    }
    assert.equal(kit.gone, 1, "it is never cut off");
    assert.ok(most < SOCKET_BYTES + UNREAD_EVENT_BYTES + 60_000, `${most}`);
    assert.ok(most > SOCKET_BYTES + UNREAD_EVENT_BYTES / 2, `${most}`);
    assert.equal(await cutOff(), before + 1);
  });

  Deno.test(`${transport}: a slow client that reads gets every event`, async () => {
    using kit = new Kit(transport);
    let written = 0;
    for (let round = 0; round < 8; round++) {
      kit.fill();
      for (let n = 0; n < 40; n++) kit.sink.event("presence", JSON.stringify("y".repeat(5_000)));
      written = kit.sink.taken + kit.sink.buffered;
      kit.fake.room = Infinity;
      while (kit.sink.buffered > 0) await Promise.resolve();
    }
    assert.equal(kit.gone, 0);
    assert.equal(kit.fake.written.length, written);
  });
}
