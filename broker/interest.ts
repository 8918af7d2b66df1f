/** Which devices a client asked for. */

const MAX_ID_CHARS = 128;

/** What is wrong with a list of device ids; `code` is stable, `message` is for people. */
export class InterestError extends Error {
  override readonly name = "InterestError";
  constructor(readonly code: "too_many_device_ids" | "device_id_too_long", message: string) {
    super(message);
  }
}

/**
 * A set of device ids, prefixes (`08480*`) and `*`, with nothing counted twice: a device matches it
 * or not. Immutable.
 */
export class Interest {
  static readonly EVERYTHING = new Interest(["*"]);

  /** Ids that no prefix of this interest covers. */
  readonly ids: ReadonlySet<string>;
  /** Prefixes without their `*`, none of them within another. */
  readonly prefixes: readonly string[];
  readonly all: boolean;

  private constructor(
    /** As the client asked for them, trimmed, without repeats. */
    readonly items: readonly string[],
  ) {
    this.all = items.includes("*");
    const prefixes = items.filter((item) => item.endsWith("*")).map((item) => item.slice(0, -1));
    this.prefixes = this.all
      ? []
      : prefixes.filter((prefix) =>
        !prefixes.some((other) => other !== prefix && prefix.startsWith(other))
      );
    this.ids = new Set(
      this.all
        ? []
        : items.filter((item) =>
          !item.endsWith("*") && !this.prefixes.some((prefix) => item.startsWith(prefix))
        ),
    );
  }

  /** One device by its name alone, whatever characters that has. */
  static device(id: string): Interest {
    const interest = new Interest([]);
    return Object.assign(interest, { ids: new Set([id]), items: [id] });
  }

  /**
   * Reads lists of ids joined by commas. An interest in nothing has no `items`.
   * @throws {InterestError} for more than `maxIds`, or an id over 128 characters.
   */
  static parse(lists: readonly string[], maxIds: number): Interest {
    const items = new Set<string>();
    for (const item of lists.flatMap((list) => list.split(","))) {
      const id = item.trim();
      if (id === "") continue;
      // A character beyond the basic plane takes two units: count only where it can matter.
      if (id.length > MAX_ID_CHARS && [...id].length > MAX_ID_CHARS) {
        throw new InterestError(
          "device_id_too_long",
          `a device id may have at most ${MAX_ID_CHARS} characters`,
        );
      }
      items.add(id.toWellFormed());
      if (items.size > maxIds) {
        throw new InterestError(
          "too_many_device_ids",
          `at most ${maxIds} device ids a connection`,
        );
      }
    }
    return new Interest([...items]);
  }

  get empty(): boolean {
    return this.items.length === 0;
  }

  matches(deviceId: string): boolean {
    return this.all || this.ids.has(deviceId) ||
      this.prefixes.some((prefix) => deviceId.startsWith(prefix));
  }

  /** This and `other` together; fails as {@linkcode Interest.parse} does. */
  with(other: Interest, maxIds: number): Interest {
    return Interest.parse([...this.items, ...other.items], maxIds);
  }

  without(other: Interest): Interest {
    const gone = new Set(other.items);
    return new Interest(this.items.filter((item) => !gone.has(item)));
  }
}
