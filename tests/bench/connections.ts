/** The cost of connections: to open them, to keep them open, to resume them. */

import type { Mosquitto } from "../kit/servers/mosquitto.ts";
import { SseClient } from "../kit/clients/sse_client.ts";
import { Load, type LoadOptions } from "./load.ts";
import type { Results } from "./results.ts";
import { startTarget, startTelecast, type TargetName } from "./target.ts";

type Transport = "ws" | "sse";

/** Opens idle connections; measures the connect rate and the memory per connection. */
export async function measureIdle(
  results: Results,
  broker: Mosquitto,
  { target, transport, clients }: { target: TargetName; transport: Transport; clients: number },
): Promise<void> {
  await using started = await startTarget(target, broker);
  const options = { transport, port: started.port, broker, each: 1, watch: "other" };
  // Code that the first connections load and compile must not count.
  await using _first = await Load.open({ ...options, clients: 50, devices: 50 });
  await settle();
  const before = await started.process.residentBytes();
  await using load = await Load.open({ ...options, clients, devices: clients });
  await settle();
  const bytes = await started.process.residentBytes() - before;
  const of = `${transport}, ${clients.toLocaleString("en")}`;
  results.add({
    target,
    what: `memory of an idle connection, ${of}`,
    unit: "KB",
    value: bytes / clients / 1024,
    lessIsBetter: true,
  });
  results.add({
    target,
    what: `connect, ${of}`,
    unit: "connections/s",
    value: Math.round(clients / load.openSeconds),
  });
}

/** Measures the memory of connections that get messages. */
export async function measureBusy(
  results: Results,
  broker: Mosquitto,
  { target, transport, clients }: { target: TargetName; transport: Transport; clients: number },
): Promise<void> {
  await using started = await startTarget(target, broker);
  const options = { transport, port: started.port, broker, each: 1 };
  await using first = await Load.open({ ...options, clients: 50, devices: 50 });
  // Publishes first, so that the memory of the log does not count.
  await first.step({ rate: 1_000, seconds: 2, drainSeconds: 3 });
  const before = await started.process.residentBytes();
  await using load = await Load.open({ ...options, clients, devices: clients });
  await load.step({ rate: 2_000, seconds: 3, drainSeconds: 3 });
  const bytes = await started.process.residentBytes() - before;
  results.add({
    target,
    what: `memory of a busy connection, ${transport}, ${clients.toLocaleString("en")}`,
    unit: "KB",
    value: bytes / clients / 1024,
    lessIsBetter: true,
  });
}

/** Measures how many clients a second resume from a cursor and get all that they missed. */
export async function measureResume(
  results: Results,
  broker: Mosquitto,
  { transport, clients, missed }: { transport: Transport; clients: number; missed: number },
): Promise<void> {
  await using started = await startTelecast(broker);
  const devices = 10;
  const options: LoadOptions = {
    transport,
    port: started.port,
    broker,
    clients: 0,
    devices,
    each: 1,
  };
  let cursor: string | undefined;
  {
    const seen = Promise.withResolvers<string>();
    await using _client = await SseClient.open(started.sseUrl("device_ids=*"), {
      onEvent: () => {},
      onPosition: seen.resolve,
    });
    cursor = await seen.promise;
  }
  await using publisher = await Load.open(options);
  await publisher.blast(missed * devices);
  await started.process.waitUntil(
    "stored",
    async () => (await started.json("/api/v1/stats")).fanout.stored >= missed * devices,
  );
  await using load = await Load.open({
    ...options,
    clients,
    query: `since=${cursor}`,
    until: transport === "ws" ? '"resumed"' : "event: resumed",
  });
  const what = `resume with ${missed} missed, ${transport}`;
  const value = Math.round(clients / load.openSeconds);
  results.add({ target: "telecast", what, unit: "clients/s", value });
}

/** Waits until the work caused by new connections has settled. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 1_000));
