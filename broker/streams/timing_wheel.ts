/** Calls every member once per period, spread over its seconds, with one timer for all. */

import { attempt } from "../../telemetry/fault.ts";

/** Members that are visited before other work gets a turn. */
const STEP = 100;

export class TimingWheel<T> {
  /** Members by the second in which they are due; a map, since a period may be a year. */
  readonly #slots = new Map<number, Set<T>>();
  readonly #slotOf = new Map<T, number>();
  #now = 0;

  /** If `pause` returns a promise, other work goes first. A visit that throws is logged. */
  constructor(
    private readonly periodSeconds: number,
    private readonly visit: (member: T) => void,
    private readonly pause: () => Promise<void> | undefined = () => undefined,
  ) {}

  /** The first visit comes a whole period from now. */
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

  /** Call it every second. */
  turn(): void {
    this.#now = (this.#now + 1) % this.periodSeconds;
    const due = this.#slots.get(this.#now);
    // A member that is added from here on waits a whole period.
    if (due) this.#visitAll([...due], this.#now);
  }

  async #visitAll(due: readonly T[], second: number): Promise<void> {
    for (const [i, member] of due.entries()) {
      if (i > 0 && i % STEP === 0) await this.pause();
      if (this.#slotOf.get(member) !== second) continue;
      attempt("a periodic visit failed", () => this.visit(member));
    }
  }
}
