/** The worker of the source: it checks, batches and counts what the source receives. */

import { runSource } from "../../ingest/runtime/worker_runtime.ts";
import type { LinesConfig } from "./kind.ts";
import { LinesSource } from "./source.ts";

runSource<LinesConfig>({ create: (server) => new LinesSource(server) });
