/** A partitioned log upstream, like Kafka: consumers change, and some continue unaware of that. */

import type { Entry } from "../../../broker/messages/message.ts";
import type { Findings } from "./findings.ts";
import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SimInstance } from "./sim_instance.ts";

interface Partition {
  readonly name: string;
  /** Offset after the newest record. */
  end: number;
  /** Offset from which the next consumer reads. */
  committed: number;
  /** Counts the consumers; only commits of the newest one are accepted. */
  generation: number;
  /** Offset of the record that the log must store next. */
  due: number;
}

const PIPELINED = 3;

export class Upstream {
  readonly #partitions: Partition[];

  constructor(
    private readonly options: {
      readonly scheduler: Scheduler;
      readonly random: Random;
      readonly findings: Findings;
      readonly instances: () => readonly SimInstance[];
      readonly running: () => boolean;
    },
  ) {
    const count = options.random.int(1, 3);
    this.#partitions = Array.from(
      { length: count },
      (_, i) => ({ name: `p${i}`, end: 0, committed: 0, generation: 0, due: 0 }),
    );
  }

  start(): void {
    for (const partition of this.#partitions) {
      this.#grow(partition);
      this.#assign(partition);
    }
  }

  /** Checks a stored message: every record once, in order, none missing. */
  logged(payload: string): void {
    const { name, offset } = JSON.parse(payload) as { name: string; offset: number };
    const partition = this.#partitions.find((partition) => partition.name === name)!;
    this.options.findings.check(
      offset === partition.due,
      () => `record ${offset} of ${name} is stored instead of ${partition.due}`,
    );
    partition.due = offset + 1;
  }

  #grow(partition: Partition): void {
    const { scheduler, random, running } = this.options;
    scheduler.after(random.between(0, 100), () => {
      if (!running()) return false;
      partition.end += random.int(1, 5);
      this.#grow(partition);
      return false;
    });
  }

  /**
   * From time to time, assigns the partition to another instance, which begins at the committed
   * offset.
   */
  #assign(partition: Partition): void {
    const { scheduler, random, running, instances } = this.options;
    if (!running()) return;
    partition.generation++;
    const alive = instances().filter((instance) => instance.running && instance.started);
    if (alive.length > 0) this.#consume(partition, random.pick(alive));
    scheduler.after(random.pick([50, 500, 4_000]), () => this.#assign(partition));
  }

  #consume(partition: Partition, instance: SimInstance): void {
    const { random, running } = this.options;
    const { generation } = partition;
    // How long it continues after another instance has got the partition.
    const unawareMs = random.pick([0, 30, 600]);
    let next = partition.committed;
    let inFlight = 0;
    let endsAt = Infinity;
    const step = () => {
      const now = this.options.scheduler.now;
      if (generation !== partition.generation) endsAt = Math.min(endsAt, now + unawareMs);
      if (!running() || !instance.alive || now >= endsAt) return;
      const to = Math.min(partition.end, next + random.int(1, 4));
      if (to > next && inFlight < PIPELINED) {
        const batch = Array.from({ length: to - next }, (_, i) => record(partition, next + i));
        next = to;
        inFlight++;
        instance.publish(batch, () => {
          inFlight--;
          if (generation === partition.generation && random.chance(0.7)) partition.committed = to;
        });
      }
      instance.process.after(random.between(1, 60), step);
    };
    step();
  }
}

function record({ name }: Partition, offset: number): Entry {
  const payload = JSON.stringify({ name, offset });
  return {
    deviceId: `${name}d${offset % 3}`,
    payload,
    sourceOffset: { key: ["sim", name], offset },
  };
}
