/**
 * Telecast with a source of its own, served on port 8000:
 *
 *     deno run --allow-net --allow-read --allow-write=data --allow-env examples/source/main.ts 127.0.0.1 7000
 */

import { Telecast } from "../../mod.ts";

const [hostname = "127.0.0.1", port = "7000"] = Deno.args;

const telecast = await Telecast.start({
  sources: [{
    name: "lines",
    worker: new URL("./worker.ts", import.meta.url),
    config: { hostname, port: Number(port) },
  }],
});
const server = Deno.serve({ port: Number(Deno.env.get("PORT") ?? 8000) }, telecast.fetch);

/** Clients are told before their streams end. */
async function stop(): Promise<void> {
  await telecast.stop();
  await server.shutdown();
  Deno.exit();
}
Deno.addSignalListener("SIGINT", stop);
Deno.addSignalListener("SIGTERM", stop);
