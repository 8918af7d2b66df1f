/** The worker of the demo's vehicles. */

import { Fleet } from "./fleet.ts";
import type { FromDemoWorker, ToDemoWorker } from "./protocol.ts";

interface Scope {
  postMessage(message: FromDemoWorker): void;
  onmessage: ((event: MessageEvent<ToDemoWorker>) => void) | null;
}

const scope = globalThis as unknown as Scope;
let fleet: Fleet | undefined;

scope.onmessage = async ({ data }) => {
  if (data.type === "fleet") fleet = new Fleet(data.brokerUrl, data.vehicles);
  else if (data.type === "stop") {
    await fleet?.[Symbol.asyncDispose]();
    scope.postMessage({ type: "stopped" });
  }
};
scope.postMessage({ type: "loaded" });
