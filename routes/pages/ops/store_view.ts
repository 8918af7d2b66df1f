/// <reference lib="dom" />
import { byId, element, setText } from "../shared/dom.ts";
import { formatBytes, formatNumber, formatSpan, onLanguage } from "../shared/language.ts";
import type { Stats } from "./stats.ts";
import type { Tone } from "./table.ts";
import { type OpsKey, text } from "./texts.ts";

interface Fact {
  readonly label: OpsKey;
  value(stats: Stats): string;
  tone?(stats: Stats): Tone | undefined;
}

const TONES: Record<Stats["fanout"]["state"], Tone> = {
  ready: "good",
  starting: "warn",
  away: "bad",
  memory: "bad",
};

const FACTS: readonly Fact[] = [
  {
    label: "storeState",
    value: ({ fanout: { state, reason = "", since } }) => {
      if (since === undefined) return text(state);
      return text("since", { state: text(state), time: formatSpan(Date.now() - since), reason });
    },
    tone: ({ fanout }) => TONES[fanout.state],
  },
  { label: "position", value: ({ fanout }) => formatNumber(fanout.position) },
  {
    label: "kept",
    value: ({ fanout: { position, floor } }) => formatNumber(Math.max(0, position - floor + 1)),
  },
  {
    label: "pendingNow",
    value: ({ fanout }) => formatNumber(fanout.pending),
    tone: ({ fanout: { pending, state } }) => pending > 0 && state !== "ready" ? "bad" : undefined,
  },
  { label: "knownDevices", value: ({ fanout }) => formatNumber(fanout.devices) },
  { label: "recent", value: ({ fanout }) => formatBytes(fanout.recent_bytes) },
  { label: "processMemory", value: ({ memory }) => formatBytes(memory.rss) },
  { label: "companiesKnown", value: ({ companies }) => formatNumber(companies.known) },
  { label: "companiesRefused", value: refusedCompanies },
  {
    label: "inboundPeers",
    value: ({ inbound }) =>
      inbound
        ? text("inbound", {
          peers: formatNumber(inbound.peers),
          received: formatNumber(inbound.received),
          refused: formatNumber(inbound.refused),
        })
        : "–",
  },
  { label: "deployment", value: ({ deployment }) => deployment },
  { label: "epoch", value: ({ fanout }) => fanout.epoch },
];

/** The log and the process of the instance that answers. */
export class StoreView {
  readonly #values = FACTS.map((fact) => {
    const term = element("dt");
    const value = element("dd");
    onLanguage(() => term.textContent = text(fact.label));
    byId("facts").append(element("div", { "data-fact": fact.label }, term, value));
    return { fact, value };
  });

  refresh(stats: Stats): void {
    for (const { fact, value } of this.#values) {
      setText(value, fact.value(stats));
      const tone = fact.tone?.(stats);
      if (tone) value.dataset.tone = tone;
      else delete value.dataset.tone;
    }
  }
}

function refusedCompanies({ companies: { refused } }: Stats): string {
  const named = Object.entries(refused).sort(([, a], [, b]) => b - a).slice(0, 5);
  return named.map(([name, count]) => `${name} ${formatNumber(count)}`).join(", ") || "0";
}
