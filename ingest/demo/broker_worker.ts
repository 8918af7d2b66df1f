/** The worker of the embedded MQTT broker. */

import { EmbeddedBroker } from "./broker.ts";
import type { FromDemoWorker, ToDemoWorker } from "./protocol.ts";

interface Scope {
  postMessage(message: FromDemoWorker): void;
  onmessage: ((event: MessageEvent<ToDemoWorker>) => void) | null;
}

const scope = globalThis as unknown as Scope;
let broker: EmbeddedBroker | undefined;

scope.onmessage = async ({ data }) => {
  if (data.type === "broker") {
    broker = await EmbeddedBroker.start(data);
    scope.postMessage({ type: "listening", port: broker.port });
  } else if (data.type === "stop") {
    await broker?.[Symbol.asyncDispose]();
    scope.postMessage({ type: "stopped" });
  }
};
scope.postMessage({ type: "loaded" });
