/// <reference lib="dom" />
import { byId } from "../shared/dom.ts";
import { formatNumber } from "../shared/language.ts";
import { TimePlot } from "../shared/time_plot.ts";
import type { Measure, Rates } from "./rates.ts";
import { type OpsKey, text } from "./texts.ts";

const PLOTS: readonly [Measure, OpsKey][] = [
  ["in", "rateIn"],
  ["out", "rateOut"],
  ["dropped", "rateDropped"],
  ["clients", "clients"],
  ["pending", "pending"],
  ["queued", "queued"],
];

/** Rates and levels, as small plots over the same time. */
export class RatePlots {
  readonly #plots = PLOTS.map(([measure, label]) => {
    const plot = new TimePlot({
      label: () => text(label),
      format: (value) => formatNumber(value, value < 100 ? 1 : 0),
      tick: shortNumber,
      heightRem: 6.5,
      least: 5,
      sync: "rates",
    });
    byId("rate-plots").append(plot.node);
    return { measure, plot };
  });

  refresh(rates: Rates): void {
    const { times } = rates;
    for (const { measure, plot } of this.#plots) void plot.show(times, rates.series(measure));
  }
}

/** `1500` as `1.5k`, since an axis has little room. */
function shortNumber(value: number): string {
  if (value >= 1e6) return `${formatNumber(value / 1e6, 1)}M`;
  return value >= 1e3 ? `${formatNumber(value / 1e3, 1)}k` : formatNumber(value, 1);
}
