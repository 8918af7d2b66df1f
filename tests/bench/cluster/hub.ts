/** The cost of a message for an instance whose clients watch other devices. */

import { Hub } from "../../../broker/streams/hub.ts";
import { Interest } from "../../../broker/messages/interest.ts";
import { MemoryFanout } from "../../../broker/log/memory_fanout.ts";
import { Publication } from "../../../broker/messages/message.ts";
import { FakeSink } from "../../broker/streams/fake_sink.ts";

const CLIENTS = 1_000;
const DEVICES = 1_000;
const BATCH = 100;
const BATCHES = 4_000;
/** Batches timed together. */
const ROUND = 200;

/** Microseconds per message of a hub whose clients watch other devices. */
export function hubMicroseconds(): number {
  const fanout = new MemoryFanout({ retentionMs: 60_000, recentMaxBytes: 1_000_000 });
  using hub = new Hub(fanout, {
    limits: { maxPerDevice: 100, maxBytes: 1_000_000 },
    keepaliveSeconds: 60,
    staleSeconds: 300,
    onDrop: () => {},
  });
  for (let i = 0; i < CLIENTS; i++) {
    hub.attach(hub.open(new FakeSink(i % 2 ? "ws" : "sse"), Interest.exactly([`wanted-${i}`], 1)));
  }
  const batches = Array.from(
    { length: BATCHES },
    (_, b) =>
      Array.from({ length: BATCH }, (_, i) => {
        const n = b * BATCH + i;
        return new Publication(fanout.epoch, n + 1, `bus-${n % DEVICES}`, "{}", false, 0);
      }),
  );
  const rounds: number[] = [];
  for (let i = 0; i < BATCHES; i += ROUND) {
    const start = performance.now();
    for (const batch of batches.slice(i, i + ROUND)) hub.onPublications(batch);
    rounds.push((performance.now() - start) * 1000 / (ROUND * BATCH));
  }
  // The fastest round: other load on the machine disturbed the rest.
  return Math.min(...rounds);
}
