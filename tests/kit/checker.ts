/** Counts what went wrong between publishers and clients. */

export interface Faults {
  /** Published for a device that the client asked for, but never seen. */
  lost: number;
  /** Seen again after the client had already seen it. */
  repeated: number;
  /** First seen after a later message of the same device. */
  reordered: number;
  /** From a device that the client did not ask for, or never published. */
  foreign: number;
}

export interface Report extends Faults {
  published: number;
  /** Messages seen by all clients, faults included. */
  seen: number;
  /** Descriptions of the first faults. */
  examples: string[];
}

export interface ClientOptions {
  readonly devices: readonly string[] | "*";
  /** Messages up to these numbers predate the client: they are not required, but allowed. */
  readonly after?: ReadonlyMap<string, number>;
}

const MAX_EXAMPLES = 20;

/** The messages of each device are numbered from 1, without gaps, in publishing order. */
export class Checker {
  readonly #published = new Map<string, number>();
  readonly #clients: CheckedClient[] = [];

  /** Call this before handing the message to the broker. */
  published(deviceId: string, seq: number): void {
    const last = this.#published.get(deviceId) ?? 0;
    if (seq !== last + 1) {
      throw new Error(`Cannot record ${deviceId} #${seq} as published: the last one was #${last}`);
    }
    this.#published.set(deviceId, seq);
  }

  /** Records the device's next number as published, and returns it. */
  next(deviceId: string): number {
    const seq = (this.#published.get(deviceId) ?? 0) + 1;
    this.#published.set(deviceId, seq);
    return seq;
  }

  /** The number of each device's last message so far, for a client that starts now. */
  position(): Map<string, number> {
    return new Map(this.#published);
  }

  client(name: string, options: ClientOptions): CheckedClient {
    const client = new CheckedClient(name, options, this.#published);
    this.#clients.push(client);
    return client;
  }

  /** True when no client is missing a message. */
  complete(): boolean {
    return this.#clients.every((client) => client.missing() === 0);
  }

  report(): Report {
    const report: Report = {
      published: [...this.#published.values()].reduce((sum, seq) => sum + seq, 0),
      seen: 0,
      lost: 0,
      repeated: 0,
      reordered: 0,
      foreign: 0,
      examples: [],
    };
    for (const client of this.#clients) {
      const { faults, examples, seen } = client.report();
      report.seen += seen;
      for (const fault of Object.keys(faults) as (keyof Faults)[]) report[fault] += faults[fault];
      report.examples.push(...examples.slice(0, MAX_EXAMPLES - report.examples.length));
    }
    return report;
  }

  /** Fails, with examples, if anything is lost, repeated, reordered or foreign. */
  assertFlawless(): void {
    const { lost, repeated, reordered, foreign, published, seen, examples } = this.report();
    if (lost + repeated + reordered + foreign === 0) return;
    throw new Error(
      `lost ${lost}, repeated ${repeated}, reordered ${reordered}, foreign ${foreign} ` +
        `of ${published} published and ${seen} seen:\n  ${examples.join("\n  ")}`,
    );
  }
}

/** One client of the stream, across all its connections. */
export class CheckedClient {
  seen = 0;
  #repeated = 0;
  #reordered = 0;
  #foreign = 0;
  readonly #devices: ReadonlySet<string> | "*";
  readonly #after: ReadonlyMap<string, number>;
  readonly #seen = new Map<string, SeenNumbers>();
  readonly #examples: string[] = [];

  constructor(
    readonly name: string,
    options: ClientOptions,
    private readonly published: ReadonlyMap<string, number>,
  ) {
    this.#devices = options.devices === "*" ? "*" : new Set(options.devices);
    this.#after = options.after ?? new Map();
  }

  saw(deviceId: string, seq: number): void {
    this.seen++;
    const wanted = this.#devices === "*" || this.#devices.has(deviceId);
    if (!wanted || seq < 1 || seq > (this.published.get(deviceId) ?? 0)) {
      this.#foreign++;
      this.#example(`saw foreign ${deviceId} #${seq}`);
      return;
    }
    let numbers = this.#seen.get(deviceId);
    if (!numbers) this.#seen.set(deviceId, numbers = new SeenNumbers());
    if (!numbers.add(seq)) {
      this.#repeated++;
      this.#example(`saw ${deviceId} #${seq} again`);
    } else if (seq < numbers.highest) {
      this.#reordered++;
      this.#example(`saw ${deviceId} #${seq} after #${numbers.highest}`);
    }
  }

  has(deviceId: string, seq: number): boolean {
    return this.#seen.get(deviceId)?.has(seq) ?? false;
  }

  /** How many messages it should have seen but has not. */
  missing(): number {
    let missing = 0;
    for (const [deviceId, from, to] of this.#expected()) {
      missing += to - from - (this.#seen.get(deviceId)?.countAbove(from) ?? 0);
    }
    return missing;
  }

  report(): { faults: Faults; examples: string[]; seen: number } {
    const examples = [...this.#examples];
    for (const [deviceId, from, to] of this.#expected()) {
      for (let seq = from + 1; seq <= to && examples.length < MAX_EXAMPLES; seq++) {
        if (!this.#seen.get(deviceId)?.has(seq)) {
          examples.push(`${this.name} lost ${deviceId} #${seq} of ${to}`);
        }
      }
    }
    const faults = {
      lost: this.missing(),
      repeated: this.#repeated,
      reordered: this.#reordered,
      foreign: this.#foreign,
    };
    return { faults, examples, seen: this.seen };
  }

  /** Device, number to start after, last number. */
  *#expected(): Generator<[string, number, number]> {
    for (const [deviceId, last] of this.published) {
      if (this.#devices !== "*" && !this.#devices.has(deviceId)) continue;
      const from = this.#after.get(deviceId) ?? 0;
      if (last > from) yield [deviceId, from, last];
    }
  }

  #example(text: string): void {
    if (this.#examples.length < MAX_EXAMPLES) this.#examples.push(`${this.name} ${text}`);
  }
}

/** A set of small numbers, one byte each. */
class SeenNumbers {
  highest = 0;
  #size = 0;
  #bytes = new Uint8Array(64);

  has(seq: number): boolean {
    return this.#bytes[seq] === 1;
  }

  /** False if the number was already in the set. */
  add(seq: number): boolean {
    if (seq >= this.#bytes.length) {
      const grown = new Uint8Array(Math.max(seq + 1, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    if (this.has(seq)) return false;
    this.#bytes[seq] = 1;
    this.#size++;
    this.highest = Math.max(this.highest, seq);
    return true;
  }

  countAbove(seq: number): number {
    if (seq === 0) return this.#size;
    let count = 0;
    for (let i = seq + 1; i <= this.highest; i++) count += this.#bytes[i]!;
    return count;
  }
}
