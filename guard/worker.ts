/** The guard's thread. */

import { Doorkeeper } from "./doorkeeper.ts";
import type { FromGuard, ToGuard } from "./protocol.ts";

const port = globalThis as unknown as {
  postMessage(message: FromGuard): void;
  onmessage: (event: MessageEvent<ToGuard>) => void;
};

let doorkeeper: Doorkeeper | undefined;

port.onmessage = async ({ data }) => {
  if (data.type === "start") {
    try {
      doorkeeper = new Doorkeeper(data, (message) => port.postMessage(message));
      port.postMessage({ type: "listening", port: await doorkeeper.listen() });
    } catch (error) {
      const { code, name } = error as { code?: string; name: string };
      port.postMessage({ type: "failed", error: code ?? name });
    }
  } else if (data.type === "certificate") {
    let ok = true;
    try {
      doorkeeper?.change(data.tls);
    } catch {
      ok = false;
    }
    port.postMessage({ type: "changed", ok });
  } else {
    await doorkeeper?.stop();
    port.postMessage({ type: "stopped" });
  }
};
port.postMessage({ type: "loaded" });
