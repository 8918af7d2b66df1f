/** Short runs of each way to hold up the server: what it costs others, and that nothing remains. */

import assert from "node:assert/strict";
import { buildClients, hold } from "../holding/hold.ts";
import { KINDS } from "../holding/kinds.ts";
import { lostOf, rowOf } from "../holding/report.ts";
import { say } from "../kit/say.ts";

const MIB = 1024 * 1024;
/** A ping as often as the write limit, as with the defaults, but shorter. */
const SHORT = { CONNECTION_WRITE_SECONDS: "3", KEEPALIVE_SECONDS: "3" };
const CLIENTS = 50;
const GOOD = 20;

interface Bound {
  /** Limit for memory growth, both at its peak and after the clients have gone. */
  readonly maxMib: number;
  readonly seconds?: number;
  /** All of them must be closed within this time. */
  readonly closedSeconds?: number;
  readonly env?: Readonly<Record<string, string>>;
}

const BOUNDS: Readonly<Record<string, Bound>> = {
  "unread-ws": { maxMib: 150, seconds: 25, closedSeconds: 20, env: SHORT },
  "unread-sse": { maxMib: 150, seconds: 25, closedSeconds: 20, env: SHORT },
  "ping-flood": { maxMib: 100, seconds: 12 },
  "commands-unread": { maxMib: 150 },
  "commands-64k": { maxMib: 150 },
  "fragments": { maxMib: 150 },
  "upload-stream": { maxMib: 150 },
  "half-frame": { maxMib: 100 },
  "half-head": { maxMib: 100, seconds: 14, closedSeconds: 13 },
  "drip-body": { maxMib: 100, seconds: 14, closedSeconds: 13 },
  "subscribe-500": { maxMib: 250 },
  "old-cursor": { maxMib: 250 },
  "snapshot": { maxMib: 250 },
};
const SECONDS = 8;
/** A limit for the median: on a shared machine the 99th percentile is arbitrary. */
const MAX_MEDIAN_MS = 100;
const MAX_MEDIAN_GROWTH = 5;

for (const [kind, bound] of Object.entries(BOUNDS)) {
  Deno.test(`${CLIENTS} clients do not hold up others: ${KINDS[kind]!.title}`, async () => {
    await buildClients();
    const result = await hold({
      ...{ kind, clients: CLIENTS, good: GOOD, perSecond: 100 },
      ...{ warmUpSeconds: 4, beforeSeconds: 3, afterSeconds: 4 },
      seconds: bound.seconds ?? SECONDS,
      devices: KINDS[kind]!.devices ?? GOOD,
      bytes: KINDS[kind]!.bytes,
      env: { RETENTION_SECONDS: "10", ...bound.env },
    });
    say(rowOf(kind, result));
    assert.equal(lostOf(result), 0);
    assert.equal(result.after.closed, 0);
    const maxMs = Math.max(MAX_MEDIAN_MS, result.before.p50 * MAX_MEDIAN_GROWTH);
    assert.ok(result.during.p50 < maxMs, `${result.during.p50} ms`);
    for (const bytes of [result.bytesDuring, result.heldAfter.resident]) {
      const grownMib = Math.round((bytes - result.heldBefore.resident) / MIB);
      assert.ok(grownMib < bound.maxMib, `memory grew by ${grownMib} MiB`);
    }
    if (bound.closedSeconds !== undefined) {
      assert.ok(result.allGoneSeconds !== undefined, "not all clients were closed");
      assert.ok(result.allGoneSeconds < bound.closedSeconds, `${result.allGoneSeconds} s`);
    }
    const { freedSeconds, placesTaken, descriptorsTaken } = result;
    const taken = `${placesTaken} slots and ${descriptorsTaken} sockets stay taken`;
    assert.ok(freedSeconds !== undefined, taken);
  });
}
