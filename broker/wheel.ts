/** Calls every member once a period, spread over its seconds: one timer for all of them. */
export class Wheel<T> {
  readonly #slots: Set<T>[];
  readonly #slotOf = new Map<T, Set<T>>();
  #now = 0;

  constructor(periodSeconds: number, private readonly visit: (member: T) => void) {
    this.#slots = Array.from({ length: periodSeconds }, () => new Set<T>());
  }

  /** The member's first turn comes a whole period from now. */
  add(member: T): void {
    const slot = this.#slots[this.#now]!;
    slot.add(member);
    this.#slotOf.set(member, slot);
  }

  delete(member: T): void {
    this.#slotOf.get(member)?.delete(member);
    this.#slotOf.delete(member);
  }

  /** To be called every second. */
  turn(): void {
    this.#now = (this.#now + 1) % this.#slots.length;
    for (const member of this.#slots[this.#now]!) this.visit(member);
  }
}
