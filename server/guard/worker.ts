/** The guard's thread. */

import { GuardServer } from "./guard_server.ts";
import { Fault } from "../../telemetry/log_text.ts";
import type { FromGuard, ToGuard } from "./protocol.ts";

const port = globalThis as unknown as {
  postMessage(message: FromGuard): void;
  onmessage: (event: MessageEvent<ToGuard>) => void;
};

let server: GuardServer | undefined;

for (const type of ["error", "unhandledrejection"] as const) {
  addEventListener(type, (event) => {
    // Otherwise Deno prints it outside the log.
    event.preventDefault();
    const error = "reason" in event ? event.reason : event.error;
    port.postMessage({ type: "crashed", fault: Fault.of(error).toString() });
  });
}

port.onmessage = async ({ data }) => {
  if (data.type === "start") {
    try {
      server = new GuardServer(data, (message) => port.postMessage(message));
      port.postMessage({ type: "listening", port: await server.listen() });
    } catch (error) {
      const { code, name } = error as { code?: string; name: string };
      port.postMessage({ type: "failed", error: code ?? name });
    }
  } else if (data.type === "certificate") {
    let ok = true;
    try {
      server?.change(data.tls);
    } catch {
      ok = false;
    }
    port.postMessage({ type: "changed", ok });
  } else {
    await server?.stop();
    port.postMessage({ type: "stopped" });
  }
};
port.postMessage({ type: "loaded" });
