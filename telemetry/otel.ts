/** The metrics of /metrics for OpenTelemetry, which Deno exports if OTEL_DENO=true. */

import { metrics } from "@opentelemetry/api";
import type { Registry } from "@prometheus-io/client";

/** Histograms are left out: they are recorded when they are observed. */
export function exportFigures(registry: Registry): void {
  const meter = metrics.getMeter("telecast");
  for (const metric of registry.getMetricsAsArray()) {
    const { name, help, type } = metric as unknown as { name: string; help: string; type: string };
    if (type !== "gauge" && type !== "counter") continue;
    const instrument = type === "gauge"
      ? meter.createObservableGauge(name, { description: help })
      : meter.createObservableCounter(name.replace(/_total$/, ""), { description: help });
    instrument.addCallback(async (result) => {
      const { values } = await registry.getSingleMetric(name)!.get();
      for (const { labels, value } of values) result.observe(value, labels as Labels);
    });
  }
}

type Labels = Record<string, string>;
