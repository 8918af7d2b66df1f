/**
 * Telecast with a custom source, served on port 8000:
 *
 *     LINES_SERVER=127.0.0.1:7000 \
 *       deno run --allow-net --allow-read --allow-write=data --allow-env examples/source/main.ts
 */

import { Telecast } from "../../mod.ts";
import { LINES } from "./kind.ts";

const telecast = await Telecast.start({ sources: [LINES] });
const server = Deno.serve({ port: Number(Deno.env.get("PORT") ?? 8000) }, telecast.fetch);

/** Stops Telecast first, so that clients get a `goodbye` before their streams end. */
async function stop(): Promise<void> {
  await telecast.stop();
  await server.shutdown();
  Deno.exit();
}
Deno.addSignalListener("SIGINT", stop);
Deno.addSignalListener("SIGTERM", stop);
