/** Which devices a client asked for, or a token grants. */

const MAX_ID_CHARS = 128;
/** How many entries a text may have for each id that is allowed. */
const MAX_REPEATS = 20;

/** An error in a list of device ids; `code` is stable, `message` is for people. */
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
  /** Prefixes without their `*`, sorted by code units; none of them starts with another. */
  readonly prefixes: readonly string[];
  readonly all: boolean;

  private constructor(
    /** As the client asked for them, without repeats. */
    readonly items: readonly string[],
    /** Items that end in `*` but are ids. */
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
   * Parses ids and prefixes separated by commas: a query parameter, which may be repeated, or a
   * token's claim that is text.
   * @throws {InterestError} for more than `maxItems`, or an id over 128 characters.
   */
  static parse(texts: readonly string[], maxItems: number): Interest {
    const items = new Set<string>();
    let parts = 0;
    for (const text of texts) {
      // Does not split into an array: 64 KB of commas have 65,000 parts.
      for (let start = 0; start < text.length;) {
        const comma = text.indexOf(",", start);
        const end = comma < 0 ? text.length : comma;
        // Repeats count too, once there are far more of them than ids.
        if (++parts > MAX_REPEATS * maxItems) throw tooMany(maxItems);
        if (end > start) addTrimmed(items, text.slice(start, end), maxItems);
        start = end + 1;
      }
    }
    return new Interest([...items], NONE);
  }

  /**
   * Parses a list in JSON: each entry is one id or, if it ends in `*`, one prefix; commas are part
   * of it. Fails like {@linkcode Interest.parse}.
   */
  static list(entries: readonly string[], maxItems: number): Interest {
    const items = new Set<string>();
    for (const entry of entries) addTrimmed(items, entry, maxItems);
    return new Interest([...items], NONE);
  }

  /**
   * Takes each id literally: commas, spaces and a `*` at the end are part of it. Fails like
   * {@linkcode Interest.parse}, and for an empty id.
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

  /** The size of the interest, for people: `every device`, `2 devices and 1 prefix`. */
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

  /** The first item that `other` does not cover completely; `*` is ignored. */
  itemBeyond(other: Interest): string | undefined {
    if (other.all) return undefined;
    return this.items.find((item) => {
      if (!this.isPrefix(item)) return !other.matches(item);
      return item !== "*" && !startsWithOne(item.slice(0, -1), other.prefixes);
    });
  }

  /** This interest and `other` together; fails like {@linkcode Interest.parse}. */
  with(other: Interest, maxItems: number): Interest {
    const items = new Set(this.items);
    for (const item of other.items) add(items, item, maxItems);
    if (this.starred.size === 0 && other.starred.size === 0) return new Interest([...items], NONE);
    const [mine, others] = [new Set(this.items), new Set(other.items)];
    // An item that is a prefix in either interest is a prefix: it covers the id of the same text.
    const starred = [...this.starred, ...other.starred].filter((item) =>
      (this.starred.has(item) || !mine.has(item)) && (other.starred.has(item) || !others.has(item))
    );
    return new Interest([...items], new Set(starred));
  }

  /** This interest without the items of `other`, by text: ids and prefixes alike. */
  without(other: { readonly items: readonly string[] }): Interest {
    const gone = new Set(other.items);
    const items = this.items.filter((item) => !gone.has(item));
    return new Interest(items, this.starred.size === 0 ? NONE : this.starred.difference(gone));
  }

  /** Whether an item is a prefix; `*` is the empty prefix. */
  private isPrefix(item: string): boolean {
    return item.endsWith("*") && !this.starred.has(item);
  }
}

function addTrimmed(items: Set<string>, entry: string, maxItems: number): void {
  const item = entry.trim();
  if (item !== "") add(items, item, maxItems);
}

function add(items: Set<string>, item: string, maxItems: number): void {
  // A character beyond the basic plane takes two code units: count only if it can matter.
  const isTooLong = item.length > 2 * MAX_ID_CHARS ||
    item.length > MAX_ID_CHARS && [...item].length > MAX_ID_CHARS;
  if (isTooLong) {
    throw new InterestError(
      "device_id_too_long",
      `a device id may have at most ${MAX_ID_CHARS} characters`,
    );
  }
  items.add(item.toWellFormed());
  if (items.size > maxItems) throw tooMany(maxItems);
}

function tooMany(maxItems: number): InterestError {
  return new InterestError("too_many_device_ids", `at most ${maxItems} device ids per connection`);
}

function starredOf(items: ReadonlySet<string>): ReadonlySet<string> {
  const starred = [...items].filter((item) => item.endsWith("*"));
  return starred.length === 0 ? NONE : new Set(starred);
}

/** Sorted, without those that start with another: in this order, they directly follow that one. */
function outermost(prefixes: string[]): readonly string[] {
  const found: string[] = [];
  for (const prefix of prefixes.sort()) {
    const last = found.at(-1);
    if (last === undefined || !prefix.startsWith(last)) found.push(prefix);
  }
  return found;
}

/**
 * Whether `text` starts with one of the `prefixes`, which are sorted, and none of which starts with
 * another. Then only the last one that is not greater than `text` can match.
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
