/** Whether the program may get traffic, and what it lacks. */

export type Phase = "starting" | "serving" | "draining";

export class Health {
  phase: Phase = "starting";
  readonly #reasons = new Map<string, string>();

  /** Says that a part works, or for which `reason` it does not. */
  report(part: string, reason: string | undefined): void {
    if (reason === undefined) this.#reasons.delete(part);
    else this.#reasons.set(part, reason);
  }

  get reasons(): string[] {
    return Array.from(this.#reasons, ([part, reason]) => `${part}: ${reason}`);
  }
}
