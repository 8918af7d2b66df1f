/** TLS served by the program itself, under load: certificates change, and clients misuse TLS. */

import assert from "node:assert/strict";
import { connect } from "node:tls";
import { buildLoad, Load } from "../bench/load.ts";
import { buildHolders, Holders } from "../holding/holders.ts";
import { Certificates } from "../kit/servers/certificates.ts";
import { eventually } from "../kit/eventually.ts";
import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { say } from "../kit/say.ts";
import { Telecast } from "../kit/servers/telecast.ts";

const CLIENTS = 50;
const PER_SECOND = 200;
const SECONDS = 15;
const CHANGES = 3;
/** How many connections misuse TLS or HTTP/2 at the same time, by kind. */
const HOLDERS = { "half-handshake": 100, "broken-tls": 5, "handshakes": 2, "h2-reset": 5 };

async function serialOf(port: number): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("secureConnect", () => resolve());
      socket.once("error", reject);
    });
    return socket.getPeerCertificate().serialNumber;
  } finally {
    socket.destroy();
  }
}

Deno.test("streams over TLS lose nothing while certificates change and others misuse TLS", async () => {
  await buildLoad();
  await buildHolders();
  await using certificates = await Certificates.create();
  await using broker = await Mosquitto.start();
  await using telecast = await Telecast.start({
    tls: certificates,
    env: { BROKER_HOST: broker.url, BROKER_TOPIC: "bench/#" },
  });
  await telecast.waitForSource();
  const { port } = telecast;
  const shared = { transport: "ws", port, broker, tls: true } as const;
  await using load = await Load.open({ ...shared, clients: CLIENTS, devices: CLIENTS, each: 1 });
  await using stack = new AsyncDisposableStack();
  const holding = Object.entries(HOLDERS).map(async ([kind, clients]) => {
    const holders = stack.use(Holders.start({ kind, port, clients, tls: true }));
    return [kind, await holders.run(SECONDS)] as const;
  });
  const running = load.step({ rate: PER_SECOND, seconds: SECONDS, drainSeconds: 20 });
  const serials = new Set([await serialOf(port)]);
  for (let n = 0; n < CHANGES; n++) {
    const before = serials.size;
    await certificates.server(`telecast-${port}`);
    await eventually("new connections get the new certificate", async () => {
      return serials.add(await serialOf(port)).size > before;
    });
  }
  const { lost, repeated, closed, p50, p99 } = await running;
  const outcomes = Object.fromEntries(await Promise.all(holding));
  say(`p50 ${p50} ms, p99 ${p99} ms; ${JSON.stringify(outcomes)}`);
  assert.deepEqual({ lost, repeated, closed }, { lost: 0, repeated: 0, closed: 0 });
  assert.equal(outcomes["half-handshake"]!.open, 0, "each was closed");
  assert.ok(outcomes["broken-tls"]!.cycles > 10);
  assert.ok(outcomes["handshakes"]!.cycles > 10);
  assert.ok(outcomes["h2-reset"]!.median < 2, "each was closed at once");
  await stack.disposeAsync();
  const { active_subscribers } = await telecast.json("/api/v1/stream/stats");
  assert.equal(active_subscribers, CLIENTS);
});
