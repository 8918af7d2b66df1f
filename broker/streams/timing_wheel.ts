/** Calls every member once a period, spread over its seconds: one timer for all of them. */

import { attempt } from "../../telemetry/fault.ts";

/** Members that are visited before others that are due get a turn. */
const STEP = 100;

export class TimingWheel<T> {
  /** Members by the second in which their turn comes; a period may be a year. */
  readonly #slots = new Map<number, Set<T>>();
  readonly #slotOf = new Map<T, number>();
  #now = 0;

  /** `pause` lets everything else go first where it returns a promise; a visit that throws is logged. */
  constructor(
    private readonly periodSeconds: number,
    private readonly visit: (member: T) => void,
    private readonly pause: () => Promise<void> | undefined = () => undefined,
  ) {}

  /** The member's first turn comes a whole period from now. */
  add(member: T): void {
    const slot = this.#slots.get(this.#now);
    if (slot) slot.add(member);
    else this.#slots.set(this.#now, new Set([member]));
    this.#slotOf.set(member, this.#now);
  }

  delete(member: T): void {
    const second = this.#slotOf.get(member);
    if (second === undefined) return;
    this.#slotOf.delete(member);
    const slot = this.#slots.get(second)!;
    slot.delete(member);
    if (slot.size === 0) this.#slots.delete(second);
  }

  /** To be called every second. */
  turn(): void {
    this.#now = (this.#now + 1) % this.periodSeconds;
    const due = this.#slots.get(this.#now);
    // Who is added from here on has a whole period before it.
    if (due) this.#visitAll([...due], this.#now);
  }

  async #visitAll(due: readonly T[], second: number): Promise<void> {
    for (const [i, member] of due.entries()) {
      if (i > 0 && i % STEP === 0) await this.pause();
      if (this.#slotOf.get(member) !== second) continue;
      attempt("a timed visit failed", () => this.visit(member));
    }
  }
}
