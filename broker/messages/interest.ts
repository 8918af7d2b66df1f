/** Which devices a client asked for, or a token grants. */

const MAX_ID_CHARS = 128;

/** What is wrong with a list of device ids; `code` is stable, `message` is for people. */
export class InterestError extends Error {
  override readonly name = "InterestError";
  constructor(
    readonly code: "too_many_device_ids" | "device_id_too_long" | "bad_device_id",
    message: string,
  ) {
    super(message);
  }
}

const NONE: ReadonlySet<string> = new Set();

/**
 * A set of device ids, prefixes (`08480*`) and `*`. Immutable. There is one parser for each form in
 * which clients name devices: {@linkcode Interest.parse}, {@linkcode Interest.list} and
 * {@linkcode Interest.exactly}.
 */
export class Interest {
  static readonly EVERYTHING = new Interest(["*"], NONE);

  /** Ids that no prefix of this interest covers. */
  readonly ids: ReadonlySet<string>;
  /** Prefixes without their `*`, sorted by code units, none of them within another. */
  readonly prefixes: readonly string[];
  readonly all: boolean;

  private constructor(
    /** As the client asked for them, without repeats. */
    readonly items: readonly string[],
    /** Those of `items` that end in `*` and are ids all the same. */
    private readonly starred: ReadonlySet<string>,
  ) {
    this.all = !starred.has("*") && items.includes("*");
    this.prefixes = this.all
      ? []
      : outermost(items.filter((item) => this.isPrefix(item)).map((item) => item.slice(0, -1)));
    this.ids = this.all ? NONE : new Set(
      items.filter((item) => !this.isPrefix(item) && !startsWithOne(item, this.prefixes)),
    );
  }

  /**
   * Reads text in which commas separate ids and prefixes: a parameter of a query, which may be
   * repeated, or a token's claim that is text.
   * @throws {InterestError} for more than `maxItems`, or an id over 128 characters.
   */
  static parse(texts: readonly string[], maxItems: number): Interest {
    const items = new Set<string>();
    for (const text of texts) {
      // Without an array of the parts: 64 KB of commas have 65,000.
      for (let start = 0; start < text.length;) {
        const comma = text.indexOf(",", start);
        const end = comma < 0 ? text.length : comma;
        if (end > start) addTrimmed(items, text.slice(start, end), maxItems);
        start = end + 1;
      }
    }
    return new Interest([...items], NONE);
  }

  /**
   * Reads a list in JSON: each entry is one id or, where it ends in `*`, one prefix, commas and all.
   * Fails as {@linkcode Interest.parse} does.
   */
  static list(entries: readonly string[], maxItems: number): Interest {
    const items = new Set<string>();
    for (const entry of entries) addTrimmed(items, entry, maxItems);
    return new Interest([...items], NONE);
  }

  /**
   * Takes each id as it stands: commas, spaces and a `*` at the end are part of it. Fails as
   * {@linkcode Interest.parse} does, and for an empty id.
   */
  static exactly(ids: readonly string[], maxItems: number): Interest {
    const items = new Set<string>();
    for (const id of ids) {
      if (id === "") throw new InterestError("bad_device_id", "a device id may not be empty");
      add(items, id, maxItems);
    }
    return new Interest([...items], starredOf(items));
  }

  get empty(): boolean {
    return this.items.length === 0;
  }

  /** How much it is, for people: `every device`, `2 devices and 1 prefix`. */
  get extent(): string {
    if (this.all) return "every device";
    const prefixes = this.items.filter((item) => this.isPrefix(item)).length;
    const ids = this.items.length - prefixes;
    const counted = [
      ...(ids > 0 ? [`${ids} ${ids === 1 ? "device" : "devices"}`] : []),
      ...(prefixes > 0 ? [`${prefixes} ${prefixes === 1 ? "prefix" : "prefixes"}`] : []),
    ];
    return counted.join(" and ") || "no device";
  }

  matches(deviceId: string): boolean {
    return this.all || this.ids.has(deviceId) || startsWithOne(deviceId, this.prefixes);
  }

  /** The first item that `other` does not cover whole; `*` is left out. */
  itemBeyond(other: Interest): string | undefined {
    if (other.all) return undefined;
    return this.items.find((item) => {
      if (!this.isPrefix(item)) return !other.matches(item);
      return item !== "*" && !startsWithOne(item.slice(0, -1), other.prefixes);
    });
  }

  /** This and `other` together; fails as {@linkcode Interest.parse} does. */
  with(other: Interest, maxItems: number): Interest {
    const items = new Set(this.items);
    for (const item of other.items) add(items, item, maxItems);
    if (this.starred.size === 0 && other.starred.size === 0) return new Interest([...items], NONE);
    const [mine, others] = [new Set(this.items), new Set(other.items)];
    // What one of both has as a prefix is a prefix, since that covers the id of the same text.
    const starred = [...this.starred, ...other.starred].filter((item) =>
      (this.starred.has(item) || !mine.has(item)) && (other.starred.has(item) || !others.has(item))
    );
    return new Interest([...items], new Set(starred));
  }

  /** This less the items of the same text, whether that is an id or a prefix. */
  without(other: { readonly items: readonly string[] }): Interest {
    const gone = new Set(other.items);
    const items = this.items.filter((item) => !gone.has(item));
    return new Interest(items, this.starred.size === 0 ? NONE : this.starred.difference(gone));
  }

  /** Whether an item is a prefix; `*` is the empty one. */
  private isPrefix(item: string): boolean {
    return item.endsWith("*") && !this.starred.has(item);
  }
}

function addTrimmed(items: Set<string>, entry: string, maxItems: number): void {
  const item = entry.trim();
  if (item !== "") add(items, item, maxItems);
}

function add(items: Set<string>, item: string, maxItems: number): void {
  // A character beyond the basic plane takes two units: count only where it can matter.
  const isTooLong = item.length > 2 * MAX_ID_CHARS ||
    item.length > MAX_ID_CHARS && [...item].length > MAX_ID_CHARS;
  if (isTooLong) {
    throw new InterestError(
      "device_id_too_long",
      `a device id may have at most ${MAX_ID_CHARS} characters`,
    );
  }
  items.add(item.toWellFormed());
  if (items.size > maxItems) {
    throw new InterestError("too_many_device_ids", `at most ${maxItems} device ids a connection`);
  }
}

function starredOf(items: ReadonlySet<string>): ReadonlySet<string> {
  const starred = [...items].filter((item) => item.endsWith("*"));
  return starred.length === 0 ? NONE : new Set(starred);
}

/** Sorted, without those that begin with another: in this order they follow it at once. */
function outermost(prefixes: string[]): readonly string[] {
  const found: string[] = [];
  for (const prefix of prefixes.sort()) {
    const last = found.at(-1);
    if (last === undefined || !prefix.startsWith(last)) found.push(prefix);
  }
  return found;
}

/**
 * Whether `text` begins with one of the `prefixes`, which are sorted and not within one another. Then
 * only the last one that is not greater than `text` can be it.
 */
function startsWithOne(text: string, prefixes: readonly string[]): boolean {
  let [low, high] = [0, prefixes.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (prefixes[middle]! <= text) low = middle + 1;
    else high = middle;
  }
  return low > 0 && text.startsWith(prefixes[low - 1]!);
}
