/** Wakes one waiting loop. A notification while the loop is busy is kept; several count as one. */
export class Notifier {
  #notified = false;
  #wake: (() => void) | undefined;

  notify(): void {
    this.#notified = true;
    this.#wake?.();
  }

  /** Resolves at the next notification; at once if one came since the last wait. */
  async wait(): Promise<void> {
    if (!this.#notified) await new Promise<void>((resolve) => this.#wake = resolve);
    this.#notified = false;
    this.#wake = undefined;
  }
}
