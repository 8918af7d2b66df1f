/** The source kind for JSON lines over TCP: its variable and how an instance runs it. */

import { hostAndPort, text } from "../../config/forms.ts";
import { defineSource } from "../../ingest/runtime/source_kind.ts";

export interface LinesConfig {
  readonly hostname: string;
  readonly port: number;
}

const variables = {
  LINES_SERVER: text().transform((value, context) => hostAndPort(value, 7000, context)).optional(),
};

export const LINES = defineSource<LinesConfig, typeof variables>({
  name: "lines",
  flags: ["--lines"],
  variables,
  addresses: ["LINES_SERVER"],
  help: `JSON lines over TCP
  LINES_SERVER                         host or host:port (7000)`,
  section: ({ LINES_SERVER: server }) => server && { hostname: server.host, port: server.port },
  summary: ({ hostname, port }) => `lines ${hostname}:${port}`,
  worker: new URL("./worker.ts", import.meta.url),
  isLeased: (mode) => mode !== "all",
  workerConfig: (section) => section,
});
