/// <reference lib="dom" />
import { byId } from "../shared/dom.ts";
import { formatNumber, formatSpan } from "../shared/language.ts";
import type { Rates } from "./rates.ts";
import type { InstanceStats, Stats } from "./stats.ts";
import { type Column, Table } from "./table.ts";
import { text } from "./texts.ts";

interface InstanceRow {
  readonly id: string;
  readonly silentMs: number;
  /** Undefined for a silent instance. */
  readonly info: InstanceStats | undefined;
  readonly answering: boolean;
  readonly holdsLease: boolean;
  readonly storedPerSecond: number | undefined;
  readonly sentPerSecond: number | undefined;
}

/** Two heartbeats were missed. */
const LATE_MS = 5_000;

const rate = (value: number | undefined) => value === undefined ? "–" : formatNumber(value, 1);
const count = (value: number | undefined) => value === undefined ? "–" : formatNumber(value);

const COLUMNS: readonly Column<InstanceRow>[] = [
  {
    label: "instance",
    kind: "name",
    cell: ({ id, answering }) => answering ? `${id} (${text("answering")})` : id,
  },
  {
    label: "state",
    cell: ({ info }) => text(info ? "alive" : "silent"),
    tone: ({ info }) => info ? "good" : "bad",
  },
  { label: "lease", kind: "text", cell: ({ holdsLease }) => holdsLease ? text("leaseHeld") : "–" },
  {
    label: "heartbeat",
    kind: "number",
    cell: ({ silentMs }) => formatSpan(silentMs),
    tone: ({ silentMs }) => silentMs > LATE_MS ? "warn" : undefined,
  },
  { label: "clients", kind: "number", cell: ({ info }) => count(info?.subscribers) },
  { label: "devices", kind: "number", cell: ({ info }) => count(info?.devices) },
  { label: "rateIn", kind: "number", cell: ({ storedPerSecond }) => rate(storedPerSecond) },
  { label: "rateOut", kind: "number", cell: ({ sentPerSecond }) => rate(sentPerSecond) },
  {
    label: "dropped",
    kind: "number",
    cell: ({ info }) => count(info?.dropped),
    tone: ({ info }) => info?.dropped ? "warn" : undefined,
  },
];

/** The instances, which of them consumes the sources, and those that have fallen silent. */
export class InstancesView {
  readonly #table = new Table(COLUMNS, { key: ({ id }) => id, labelledby: "instances-title" });

  constructor() {
    byId("instances").append(this.#table.node);
  }

  /** @param shown The instance whose connections and store are shown. */
  refresh(stats: Stats, rates: Rates, shown: string): void {
    const row = (id: string, silentMs: number, info?: InstanceStats): InstanceRow => ({
      id,
      silentMs,
      info,
      answering: id === shown,
      holdsLease: id === stats.ingest_lease,
      storedPerSecond: info && rates.ofInstance(id, "messages"),
      sentPerSecond: info && rates.ofInstance(id, "sent"),
    });
    const rows = [
      ...stats.silent_instances.map(({ id, silent_ms }) => row(id, silent_ms)),
      ...stats.instances.map((info) => row(info.id, info.silent_ms, info))
        .sort((a, b) => a.id < b.id ? -1 : 1),
    ];
    this.#table.show(rows, "");
  }
}
