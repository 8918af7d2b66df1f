/// <reference lib="dom" />
import type uPlot from "uplot";
import { element, setText } from "./dom.ts";
import { formatClock, formatNumber, onLanguage } from "./language.ts";
import { palette, rootScale } from "./palette.ts";
import { onTheme } from "./preferences.ts";
import { text } from "./texts.ts";

export interface TimePlotOptions {
  /** In the current language. */
  label(): string;
  /** A value as text, with its unit. */
  format(value: number): string;
  /** A value where space is limited; a plain number by default. */
  tick?(value: number): string;
  readonly heightRem: number;
  /** The smallest maximum of the axis. */
  readonly least: number;
  /** Plots of the same name share their cursor. */
  readonly sync: string;
}

type Values = readonly (number | null)[];

let library: typeof uPlot | undefined;

/** A line over time, with its values as text above it, also for users who cannot see the plot. */
export class TimePlot {
  readonly #name = element("span", { class: "plot-name" });
  readonly #last = element("strong");
  readonly #range = element("span", { class: "plot-range" });
  readonly #title = element("p", { class: "plot-title" });
  readonly #chart = element("div", { class: "plot", "aria-hidden": "true" });
  readonly node: HTMLElement = element("div", { class: "time-plot" }, this.#title, this.#chart);
  readonly #options: TimePlotOptions;
  #plot: uPlot | undefined;
  #times: number[] = [];
  #values: Values = [];

  constructor(options: TimePlotOptions) {
    this.#options = options;
    this.#title.append(this.#name, " ", this.#last, " ", this.#range);
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(this.node);
    onTheme(() => this.#remake());
    onLanguage(() => this.#remake());
  }

  /** Draws the values; loads the library when first needed. Times are seconds since 1970. */
  async show(times: number[], values: Values): Promise<void> {
    this.#times = times;
    this.#values = values;
    this.#tell();
    library ??= (await import(libraryAddress())).default as typeof uPlot;
    if (!this.#plot) this.#remake();
    this.#plot?.setData([this.#times, [...this.#values]]);
  }

  #remake(): void {
    this.#tell();
    if (!library) return;
    this.#plot?.destroy();
    const data: uPlot.AlignedData = [this.#times, [...this.#values]];
    this.#plot = new library(this.#plotOptions(), data, this.#chart);
  }

  #size(): { width: number; height: number } {
    const height = this.#options.heightRem * 16 * rootScale();
    return { width: Math.max(120, this.node.clientWidth), height };
  }

  #tell(): void {
    const { label, format, tick = shortened } = this.#options;
    const known = this.#values.filter((value) => value !== null);
    setText(this.#name, label());
    setText(this.#last, known.length > 0 ? format(known.at(-1)!) : text("noPlot"));
    const range = { min: tick(Math.min(...known)), max: tick(Math.max(...known)) };
    setText(this.#range, known.length > 1 ? text("plotRange", range) : "");
  }

  #plotOptions(): uPlot.Options {
    const { label, least, sync, tick = shortened } = this.#options;
    const { accent, grid, muted } = palette();
    const axis = {
      stroke: muted,
      grid: { stroke: grid, width: 1 },
      ticks: { stroke: grid, width: 1, size: 4 },
      font: `${11 * rootScale()}px system-ui, sans-serif`,
    };
    return {
      ...this.#size(),
      legend: { show: false },
      cursor: { sync: { key: sync }, y: false },
      scales: {
        y: { range: (_, min, max) => [Math.min(0, min ?? 0), Math.max(least, (max ?? 0) * 1.1)] },
      },
      series: [{}, {
        label: label(),
        stroke: accent,
        fill: `${accent}22`,
        width: 2,
        spanGaps: true,
        points: { show: false },
      }],
      axes: [
        {
          ...axis,
          size: 24 * rootScale(),
          space: 90 * rootScale(),
          values: (_, ticks) =>
            ticks.map((time) =>
              formatClock(time * 1000, { seconds: ticks.at(-1)! - ticks[0]! < 600 })
            ),
        },
        {
          ...axis,
          size: 40 * rootScale(),
          space: 24 * rootScale(),
          values: (_, ticks) => ticks.map(tick),
        },
      ],
    };
  }
}

function shortened(value: number): string {
  return formatNumber(value, 1);
}

function libraryAddress(): string {
  return new URL("uplot.js", import.meta.url).href;
}
