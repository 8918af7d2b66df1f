/// <reference lib="dom" />
import { element } from "../shared/dom.ts";
import { formatNumber } from "../shared/language.ts";
import { TimePlot } from "../shared/time_plot.ts";
import { text, type TextKey } from "./texts.ts";
import type { Vehicle } from "./fleet/vehicle.ts";

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
  readonly #plots = SERIES.map(({ label, unit }) =>
    new TimePlot({
      label: () => text(label),
      format: (value) => formatNumber(value, 1) + unit,
      heightRem: 7.5,
      least: 10,
      sync: "device",
    })
  );
  readonly node: HTMLElement = element(
    "div",
    { class: "plots" },
    ...this.#plots.map(({ node }) => node),
  );

  show({ track }: Vehicle): void {
    const times = Array.from({ length: track.length }, (_, i) => track.time(i) / 1000);
    SERIES.forEach((series, n) => {
      const values = times.map((_, i) => {
        const value = series.value(track, i);
        return Number.isNaN(value) ? null : value;
      });
      void this.#plots[n]!.show(times, values);
    });
  }
}
