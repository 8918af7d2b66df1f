/// <reference lib="dom" />
import { byId } from "../shared/dom.ts";
import { formatNumber } from "../shared/language.ts";
import type { Rates } from "./rates.ts";
import type { InstanceSource, Stats } from "./stats.ts";
import { type Column, Table, type Tone } from "./table.ts";
import { type OpsKey, text } from "./texts.ts";

/** A source on one instance. */
export interface SourceRow {
  readonly instance: string;
  readonly source: InstanceSource;
  readonly perSecond: number | undefined;
}

const TONES: Record<string, Tone> = { connected: "good", connecting: "warn", waiting: "bad" };
const STATES: Record<string, OpsKey> = {
  connected: "connected",
  connecting: "connecting",
  waiting: "waiting",
  stopped: "stopped",
};

const number = (value: number | null | undefined) =>
  typeof value === "number" ? formatNumber(value) : "–";

const COLUMNS: readonly Column<SourceRow>[] = [
  { label: "source", cell: ({ source }) => source.name },
  {
    label: "state",
    cell: ({ source: { state, reason } }) => {
      const key = STATES[state];
      return (key ? text(key) : state) + (reason ? `: ${reason}` : "");
    },
    tone: ({ source: { state } }) => TONES[state] ?? "idle",
  },
  {
    label: "perSecond",
    kind: "number",
    cell: ({ perSecond }) => perSecond === undefined ? "–" : formatNumber(perSecond, 1),
  },
  { label: "received", kind: "number", cell: ({ source }) => number(source.received) },
  { label: "lag", kind: "number", cell: ({ source }) => number(source.lag) },
  {
    label: "malformed",
    kind: "number",
    cell: ({ source }) => number(source.malformed),
    tone: ({ source }) => source.malformed ? "warn" : undefined,
  },
  {
    label: "lostByUs",
    kind: "number",
    cell: ({ source }) => number(source.dropped),
    tone: ({ source }) => source.dropped ? "bad" : undefined,
  },
  { label: "reconnects", kind: "number", cell: ({ source }) => number(source.reconnects) },
  { label: "on", kind: "name", cell: ({ instance }) => instance },
];

/** Every source: where it runs, its state, and its lag. */
export class SourcesView {
  readonly #table = new Table(COLUMNS, {
    key: ({ instance, source }) => `${instance} ${source.name}`,
    labelledby: "sources-title",
  });

  constructor() {
    byId("sources").append(this.#table.node);
  }

  refresh(stats: Stats, rates: Rates): void {
    this.#table.show(sourceRows(stats, rates), text("noSources"));
  }
}

/** One row for each instance that runs a source; a single row if none does. */
export function sourceRows(stats: Stats, rates: Pick<Rates, "ofSource">): SourceRow[] {
  const all = stats.instances.flatMap(({ id, sources = [] }) =>
    (id === stats.instance ? stats.sources : sources).map((source): SourceRow => ({
      instance: id,
      source,
      perSecond: rates.ofSource(id, source.name),
    }))
  );
  const names = [...new Set(all.map(({ source }) => source.name))];
  return names.flatMap((name) => {
    const rows = all.filter(({ source }) => source.name === name);
    const running = rows.filter(({ source }) => source.state !== "stopped");
    return running.length > 0 ? running : rows.slice(0, 1);
  });
}
