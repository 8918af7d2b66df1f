/** What a run found to be wrong; the run ends with the first. */

export class Findings {
  readonly list: string[] = [];

  get any(): boolean {
    return this.list.length > 0;
  }

  /** Notes what is wrong where `holds` is false. */
  check(holds: boolean, what: () => string): void {
    if (!holds) this.list.push(what());
  }
}
