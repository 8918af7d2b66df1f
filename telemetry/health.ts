/** Whether the program may get traffic, and which of its parts do not work. */

export type Phase = "starting" | "serving" | "draining";

export class Health {
  phase: Phase = "starting";
  readonly #reasons = new Map<string, string>();

  /** Reports that a part works, or the `reason` why it does not; true if it works again. */
  report(part: string, reason: string | undefined): boolean {
    if (reason === undefined) return this.#reasons.delete(part);
    this.#reasons.set(part, reason);
    return false;
  }

  get reasons(): string[] {
    return Array.from(this.#reasons, ([part, reason]) => `${part}: ${reason}`);
  }
}
