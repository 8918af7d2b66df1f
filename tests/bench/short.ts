/** A one-minute bench for CI: lost, repeated or reordered messages fail it, timing does not. */

import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { Load } from "./load.ts";
import { measureMqttIngest } from "./mqtt_ingest.ts";
import type { Results } from "./results.ts";
import { startTelecast } from "./target.ts";
import { faultless, faultsOf } from "./throughput.ts";

const CASES = [
  { clients: 20, devices: 20, each: 1, rate: 1_000 },
  { clients: 20, devices: 10, each: 10, rate: 200 },
];
const SECONDS = 3;
/** A busy machine may deliver late; messages that have not arrived by then count as lost. */
const DRAIN_SECONDS = 30;

export async function runShort(broker: Mosquitto, results: Results): Promise<void> {
  await using telecast = await startTelecast(broker);
  for (const transport of ["ws", "sse"] as const) {
    for (const { rate, ...shape } of CASES) {
      for (const query of transport === "ws" ? [undefined, "batch_ms=20"] : [undefined]) {
        await using load = await Load.open({
          ...shape,
          transport,
          port: telecast.port,
          broker,
          ...(query && { query }),
          qos: 1,
        });
        const what = `${shape.clients} clients of ${shape.each} of ${shape.devices} devices, ` +
          `${transport}${query ? `, ${query}` : ""}`;
        const step = await load.step({ rate, seconds: SECONDS, drainSeconds: DRAIN_SECONDS });
        if (!faultless(step)) results.faults.push(`${what}: ${faultsOf(step)}`);
        results.add({
          target: "telecast",
          what: `${what}, p50`,
          unit: "ms",
          value: step.p50,
          lessIsBetter: true,
        });
      }
    }
  }
  await measureMqttIngest(results, 1);
}
