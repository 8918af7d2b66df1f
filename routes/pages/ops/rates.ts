import type { Stats } from "./stats.ts";

/** `in`, `out` and `dropped` are rates of counters; the others are current levels. */
export type Measure = "in" | "out" | "dropped" | "clients" | "pending" | "queued";

const KEPT_MS = 300_000;
/** Instances report every 2 s: over less than two reports a rate would jump. */
const RATE_OVER_MS = 6_000;

interface Counters {
  readonly messages: number;
  readonly sent: number;
  readonly dropped: number;
}

interface Sample {
  readonly at: number;
  readonly instances: ReadonlyMap<string, Counters>;
  /** Messages that each source has received, by `instance source`. */
  readonly received: ReadonlyMap<string, number>;
  readonly levels: { readonly clients: number; readonly pending: number; readonly queued: number };
}

/** Rates of the whole cluster over the last minutes, whichever instance answered. */
export class Rates {
  readonly #samples: Sample[] = [];
  readonly #points: { at: number; values: Record<Measure, number | null> }[] = [];

  /** @param at In ms since 1970. */
  add({ instances, instance, sources }: Stats, at: number): void {
    const received = new Map<string, number>();
    for (const { id, sources = [] } of instances) {
      for (const source of sources) received.set(`${id} ${source.name}`, source.received);
    }
    for (const source of sources) received.set(`${instance} ${source.name}`, source.received);
    this.#samples.push({
      at,
      received,
      instances: new Map(
        instances.map((
          { id, messages, sent = 0, dropped = 0 },
        ) => [id, { messages, sent, dropped }]),
      ),
      levels: {
        clients: sum(instances, ({ subscribers }) => subscribers),
        pending: sum(instances, ({ pending = 0 }) => pending),
        queued: sum(instances, ({ queued = 0 }) => queued),
      },
    });
    const before = (age: number) => ({ at: time }: { at: number }) => time < at - age;
    while (before(RATE_OVER_MS)(this.#samples[0]!)) this.#samples.shift();
    this.#points.push({
      at,
      values: {
        in: this.#rate("messages"),
        out: this.#rate("sent"),
        dropped: this.#rate("dropped"),
        ...this.#samples.at(-1)!.levels,
      },
    });
    while (before(KEPT_MS)(this.#points[0]!)) this.#points.shift();
  }

  /** Seconds since 1970. */
  get times(): number[] {
    return this.#points.map(({ at }) => at / 1000);
  }

  series(measure: Measure): (number | null)[] {
    return this.#points.map(({ values }) => values[measure]);
  }

  latest(measure: Measure): number | null {
    return this.#points.at(-1)?.values[measure] ?? null;
  }

  /** Messages a second that a source of an instance receives. */
  ofSource(instance: string, source: string): number | undefined {
    const key = `${instance} ${source}`;
    return this.#perSecond(({ received }) => received.get(key));
  }

  /** Messages a second that an instance stores or sends. */
  ofInstance(id: string, counter: "messages" | "sent"): number | undefined {
    return this.#perSecond(({ instances }) => instances.get(id)?.[counter]);
  }

  #rate(counter: keyof Counters): number | null {
    let total: number | null = null;
    for (const id of this.#samples.at(-1)!.instances.keys()) {
      const rate = this.#perSecond(({ instances }) => instances.get(id)?.[counter]);
      if (rate !== undefined) total = (total ?? 0) + rate;
    }
    return total;
  }

  /** Undefined until there are two samples, and if the counter fell because of a restart. */
  #perSecond(read: (sample: Sample) => number | undefined): number | undefined {
    const known = this.#samples.filter((sample) => read(sample) !== undefined);
    const [first, last] = [known[0], known.at(-1)];
    if (!first || !last || last.at === first.at) return undefined;
    const risen = read(last)! - read(first)!;
    return risen < 0 ? undefined : risen * 1000 / (last.at - first.at);
  }
}

function sum<T>(items: readonly T[], read: (item: T) => number): number {
  return items.reduce((total, item) => total + read(item), 0);
}
