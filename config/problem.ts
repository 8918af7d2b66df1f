/** How problems of the configuration are reported. */

/** One problem, with the name of its variable or flag, never with the value. */
export interface Problem {
  readonly name: string;
  readonly message: string;
}

/** The context in which a source's variables are read. */
export interface SectionContext {
  /** Names of all variables that are set. */
  readonly given: ReadonlySet<string>;
  /** Whether a URL points to the port on which this program itself listens. */
  isOwnAddress(url: string): boolean;
  /** Reports a variable; `message` follows its name and never holds its value. */
  problem(name: string, message: string): void;
}
