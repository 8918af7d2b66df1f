/** One of several threads that serve clients; see threads.ts. */

import { listen, type Listening } from "./listen.ts";
import { configureLog } from "./log.ts";
import { ConnectionCount } from "./routes/connection_count.ts";
import { type Program, startProgram } from "./program.ts";
import type { FromThread, ToThread } from "./threads.ts";

interface Serving {
  readonly program: Program;
  readonly server: Listening;
}

const port = globalThis as unknown as {
  postMessage(message: FromThread): void;
  onmessage: (event: MessageEvent<ToThread>) => void;
};
let serving: Promise<Serving> | undefined;

port.onmessage = ({ data }) => {
  if (data.type === "start") {
    serving = (async () => {
      await configureLog(data.config.log);
      const program = await startProgram(data.config, {
        connections: new ConnectionCount(data.connections, data.slot),
      });
      return { program, server: await listen(data.config, program.fetch, { shared: true }) };
    })();
  } else {
    stop();
  }
};
port.postMessage({ type: "loaded" });

async function stop(): Promise<void> {
  const { program, server } = await serving!;
  await program.stop();
  await server.shutdown();
  port.postMessage({ type: "stopped" });
}
