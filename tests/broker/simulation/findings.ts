/** Errors that a run found; the run ends with the first one. */

export class Findings {
  readonly list: string[] = [];

  get any(): boolean {
    return this.list.length > 0;
  }

  /** Records an error if `holds` is false. */
  check(holds: boolean, what: () => string): void {
    if (!holds) this.list.push(what());
  }
}
