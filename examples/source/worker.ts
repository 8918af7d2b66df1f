/** The thread of the source: it checks what the source receives, batches it, and counts. */

import { runSource } from "../../ingest/runtime/worker_runtime.ts";
import type { LinesConfig } from "./kind.ts";
import { LinesSource } from "./source.ts";

runSource<LinesConfig>({ create: (server) => new LinesSource(server) });
