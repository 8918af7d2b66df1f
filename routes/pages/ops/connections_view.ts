/// <reference lib="dom" />
import { byId, setText } from "../shared/dom.ts";
import { formatBytes, formatNumber, formatSpan } from "../shared/language.ts";
import type { ConnectionStats, Stats } from "./stats.ts";
import { type Column, Table } from "./table.ts";
import { text } from "./texts.ts";

type ConnectionRow = ConnectionStats & { readonly place: number };

const COLUMNS: readonly Column<ConnectionRow>[] = [
  { label: "transport", cell: ({ transport }) => transport === "ws" ? "WebSocket" : "SSE" },
  { label: "network", kind: "name", cell: ({ network }) => network },
  { label: "age", kind: "number", cell: ({ age_seconds }) => formatSpan(age_seconds * 1000) },
  {
    label: "subscribed",
    kind: "number",
    cell: ({ devices, mode }) => {
      const asked = devices === null ? text("everyDevice") : formatNumber(devices);
      return mode === "latest" ? `${asked}, ${text("latestOnly")}` : asked;
    },
  },
  {
    label: "queue",
    kind: "number",
    cell: ({ queued_messages, queued_bytes }) =>
      queued_messages === 0
        ? "0"
        : `${formatNumber(queued_messages)} · ${formatBytes(queued_bytes)}`,
    tone: ({ queued_messages }) => queued_messages > 0 ? "warn" : undefined,
  },
  { label: "unsent", kind: "number", cell: ({ unsent_bytes }) => formatBytes(unsent_bytes) },
  { label: "sent", kind: "number", cell: ({ sent }) => formatNumber(sent) },
  {
    label: "dropped",
    kind: "number",
    cell: ({ dropped }) => formatNumber(dropped),
    tone: ({ dropped }) => dropped > 0 ? "bad" : undefined,
  },
];

/** The slowest connections. */
export class ConnectionsView {
  readonly #table = new Table(COLUMNS, {
    key: ({ place }) => String(place),
    labelledby: "connections-title",
  });

  constructor() {
    byId("connections").append(this.#table.node);
  }

  refresh({ slowest_connections, transports }: Stats): void {
    const total = Object.values(transports).reduce((sum, { connections }) => sum + connections, 0);
    const waiting = slowest_connections.filter(({ queued_messages }) => queued_messages > 0).length;
    const atLeast = waiting > 0 && waiting === slowest_connections.length ? "≥ " : "";
    setText(
      byId("connections-help"),
      text("connectionsHelp", { total: formatNumber(total), waiting: `${atLeast}${waiting}` }),
    );
    const rows = slowest_connections.map((connection, place) => ({ ...connection, place }));
    this.#table.show(rows, text("noConnections"));
  }
}
