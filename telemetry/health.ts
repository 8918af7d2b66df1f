/** Whether the program may get traffic, and what it lacks. */

export type Phase = "starting" | "serving" | "draining";

export class Health {
  phase: Phase = "starting";
  readonly #reasons = new Map<string, string>();

  /** Says that a part works, or for which `reason` it does not; true where it works again. */
  report(part: string, reason: string | undefined): boolean {
    if (reason === undefined) return this.#reasons.delete(part);
    this.#reasons.set(part, reason);
    return false;
  }

  get reasons(): string[] {
    return Array.from(this.#reasons, ([part, reason]) => `${part}: ${reason}`);
  }
}
