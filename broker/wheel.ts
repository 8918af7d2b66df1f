/** Calls every member once a period, spread over its seconds: one timer for all of them. */
export class Wheel<T> {
  /** Members by the second in which their turn comes; a period may be a year. */
  readonly #slots = new Map<number, Set<T>>();
  readonly #slotOf = new Map<T, number>();
  #now = 0;

  constructor(
    private readonly periodSeconds: number,
    private readonly visit: (member: T) => void,
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
    for (const member of this.#slots.get(this.#now) ?? []) this.visit(member);
  }
}
