/** The thread of the source: it checks what the source receives, batches it, and counts. */

import { runSource } from "../../ingest/harness.ts";
import { LinesSource } from "./source.ts";

runSource<{ hostname: string; port: number }>({ create: (server) => new LinesSource(server) });
