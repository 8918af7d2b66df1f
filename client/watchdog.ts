/** Detects a dead connection that has not been closed. */
export class Watchdog {
  #heardAt = performance.now();
  #probedAt: number | undefined;
  readonly #timer: ReturnType<typeof setInterval>;

  /**
   * @param deadAfterMs The silence of a dead connection; `probe` is called after a third of it.
   * @param act `probe` makes the peer send something, and returns false if it cannot be asked.
   */
  constructor(
    deadAfterMs: number,
    act: { probe: () => boolean; giveUp: (quietMs: number) => void },
  ) {
    this.#timer = setInterval(() => {
      const now = performance.now();
      const quietMs = now - this.#heardAt;
      if (quietMs < deadAfterMs / 3) return;
      // Timers of a page in the background run late, so silence alone proves nothing: what counts
      // is the time since the peer was asked.
      if (this.#probedAt === undefined && act.probe()) this.#probedAt = now;
      else if (now - (this.#probedAt ?? this.#heardAt) >= deadAfterMs * 2 / 3) {
        if (this.#probedAt !== undefined || quietMs >= deadAfterMs) act.giveUp(quietMs);
      }
    }, deadAfterMs / 3);
  }

  heard(): void {
    this.#heardAt = performance.now();
    this.#probedAt = undefined;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
