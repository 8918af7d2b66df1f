/** Bursts of one device. */

import assert from "node:assert/strict";
import { Checker } from "../kit/checker.ts";
import { eventually } from "../kit/eventually.ts";
import { deviceAndSeq, trackingPayload } from "../kit/payload.ts";
import { parseWsFrame, type Received } from "../kit/received.ts";
import { SseClient } from "../kit/clients/sse_client.ts";
import { System } from "../kit/system.ts";
import { WsClient } from "../kit/clients/ws_client.ts";

const BURST = 1_000;
const CLIENTS = 20;

for (const qos of [0, 1] as const) {
  Deno.test(`a burst of ${BURST} messages of one device at QoS ${qos} reaches every client that reads`, async () => {
    await using system = await System.start();
    const { telecast, publisher } = system;
    const checker = new Checker();
    await using clients = new AsyncDisposableStack();
    for (let i = 0; i < CLIENTS; i++) {
      const ws = checker.client(`ws ${i}`, { devices: ["A"] });
      const sse = checker.client(`sse ${i}`, { devices: ["A"] });
      const saw = (client: typeof ws) => ({ event, data }: Received) => {
        if (event === "message") client.saw("A", deviceAndSeq(data).seq);
        assert.notEqual(event, "dropped");
      };
      clients.use(
        await WsClient.open(telecast.wsUrl("device_ids=A"), {
          onFrame: (text) => saw(ws)(parseWsFrame(text)),
        }),
      );
      clients.use(
        await SseClient.open(telecast.sseUrl("device_ids=A"), { onEvent: saw(sse) }),
      );
    }
    await eventually("all clients", async () => {
      const { active_subscribers } = await telecast.json("/api/v1/stream/stats");
      return active_subscribers === 2 * CLIENTS;
    });
    // Created beforehand, so that the burst is as short as the broker allows.
    const messages = Array.from({ length: BURST }, () => ({
      topic: "fleet/A",
      payload: trackingPayload("A", checker.next("A")),
    }));
    await publisher.publishAll(messages, { qos });
    await eventually("the whole burst", () => checker.complete());
    checker.assertFlawless();
    const { transports } = await telecast.json("/api/v1/stats");
    assert.equal(transports.ws.dropped + transports.sse.dropped, 0);
  });
}
