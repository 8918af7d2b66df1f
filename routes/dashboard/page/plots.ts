/// <reference lib="dom" />
import type uPlot from "uplot";
import { element, setText } from "./dom.ts";
import { palette } from "./palette.ts";
import { onTheme } from "./preferences.ts";
import { rootScale } from "./sprites.ts";
import { formatClock, formatNumber, text, type TextKey } from "./texts.ts";
import type { Vehicle } from "./vehicle.ts";

const HEIGHT_REM = 7.5;

interface Series {
  readonly label: TextKey;
  readonly unit: string;
  value(track: Vehicle["track"], index: number): number;
}

const SERIES: readonly Series[] = [
  { label: "speed", unit: " km/h", value: (track, i) => track.speed(i) },
  { label: "satellites", unit: "", value: (track, i) => track.satellites(i) },
];

/** Speed and satellites of one vehicle over time. */
export class Plots {
  readonly node = element("div", { class: "plots" });
  readonly #titles: HTMLElement[] = [];
  readonly #charts: HTMLElement[] = [];
  #plots: uPlot[] = [];
  #uPlot: typeof uPlot | undefined;
  #vehicle: Vehicle | undefined;
  #version = -1;

  constructor() {
    for (const _ of SERIES) {
      const title = element("p", { class: "plot-title" });
      const chart = element("div", { class: "plot", "aria-hidden": "true" });
      this.#titles.push(title);
      this.#charts.push(chart);
      this.node.append(title, chart);
    }
    new ResizeObserver(() => this.#resize()).observe(this.node);
    onTheme(() => this.#remake());
  }

  show(vehicle: Vehicle): void {
    this.#vehicle = vehicle;
    this.#version = -1;
    this.refresh();
  }

  /** Draws what is new; the library is loaded when it is first needed. */
  async refresh(): Promise<void> {
    const vehicle = this.#vehicle;
    if (!vehicle || vehicle.version === this.#version) return;
    this.#version = vehicle.version;
    this.#uPlot ??= (await import(libraryAddress())).default as typeof uPlot;
    if (vehicle !== this.#vehicle) return;
    if (this.#plots.length === 0) this.#remake();
    const { track } = vehicle;
    const times = Array.from({ length: track.length }, (_, i) => track.time(i) / 1000);
    SERIES.forEach((series, n) => {
      const values = times.map((_, i) => {
        const value = series.value(track, i);
        return Number.isNaN(value) ? null : value;
      });
      this.#plots[n]!.setData([times, values]);
      setText(this.#titles[n]!, summary(series, values));
    });
  }

  #remake(): void {
    if (!this.#uPlot) return;
    const old = this.#plots;
    this.#plots = SERIES.map((series, n) =>
      new this.#uPlot!(options(series, this.#size()), [[], []], this.#charts[n]!)
    );
    for (const plot of old) plot.destroy();
    this.#version = -1;
  }

  #size(): { width: number; height: number } {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    return { width: Math.max(160, this.node.clientWidth), height: HEIGHT_REM * rem };
  }

  #resize(): void {
    for (const plot of this.#plots) plot.setSize(this.#size());
  }
}

function libraryAddress(): string {
  return new URL("uplot.js", import.meta.url).href;
}

/** The plot in words, for those who cannot see it, and its title for all. */
function summary({ label, unit }: Series, values: (number | null)[]): string {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return `${text(label)}: ${text("noPlot")}`;
  const show = (value: number) => formatNumber(value, 1) + unit;
  return text("plotSummary", {
    name: text(label),
    last: show(known.at(-1)!),
    min: show(Math.min(...known)),
    max: show(Math.max(...known)),
  });
}

function options({ label }: Series, size: { width: number; height: number }): uPlot.Options {
  const { accent, grid, muted } = palette();
  const axis = {
    stroke: muted,
    grid: { stroke: grid, width: 1 },
    ticks: { stroke: grid, width: 1, size: 4 },
    font: `${11 * rootScale()}px system-ui, sans-serif`,
  };
  return {
    ...size,
    legend: { show: false },
    cursor: { sync: { key: "device" }, y: false },
    scales: {
      y: { range: (_, min, max) => [Math.min(0, min ?? 0), Math.max(10, (max ?? 0) * 1.1)] },
    },
    series: [{}, {
      label: text(label),
      stroke: accent,
      fill: `${accent}22`,
      width: 2,
      spanGaps: true,
      points: { show: false },
    }],
    axes: [
      {
        ...axis,
        size: 24,
        space: 90,
        values: (_, ticks) =>
          ticks.map((time) =>
            formatClock(time * 1000, { seconds: ticks.at(-1)! - ticks[0]! < 600 })
          ),
      },
      {
        ...axis,
        size: 38,
        space: 24,
        values: (_, ticks) => ticks.map((value) => formatNumber(value, 1)),
      },
    ],
  };
}
