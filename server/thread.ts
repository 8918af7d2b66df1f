/** One of several threads that serve clients; see threads.ts. */

import { listen, type Listening } from "./listen.ts";
import { logCrashes } from "../telemetry/fault.ts";
import { configureLog } from "../telemetry/log.ts";
import { ConnectionCount } from "../routes/http/connection_count.ts";
import { type Program, startProgram } from "../program.ts";
import type { FromThread, ToThread } from "./threads.ts";

interface Serving {
  readonly program: Program;
  /** Listens once the program is ready; until then the other threads get every connection. */
  readonly server: Promise<Listening>;
}

const port = globalThis as unknown as {
  postMessage(message: FromThread): void;
  onmessage: (event: MessageEvent<ToThread>) => void;
};
let serving: Promise<Serving> | undefined;
let stopping = false;

port.onmessage = ({ data }) => {
  if (data.type === "start") {
    if (stopping) return;
    serving = (async () => {
      await configureLog(data.config.log);
      logCrashes();
      const program = await startProgram(data.config, {
        connections: new ConnectionCount(data.connections, data.slot),
      });
      const server = program.ready.then(() => listen(data.config, program.fetch, { shared: true }));
      server.catch(async (error) => {
        if (stopping) return;
        // This thread will be replaced. Stopping releases its lease, so that the next one need not
        // wait.
        await program.stop();
        throw error;
      });
      return { program, server };
    })();
  } else {
    stop();
  }
};
port.postMessage({ type: "loaded" });

async function stop(): Promise<void> {
  stopping = true;
  // Undefined if the stop arrives before the start.
  const { program, server } = await serving ?? {};
  await program?.stop();
  await server?.then((listening) => listening.shutdown(), () => {});
  port.postMessage({ type: "stopped" });
}
