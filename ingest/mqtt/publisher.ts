/** Publishes over a connection that does nothing else. */

import type { Outgoing } from "../runtime/source.ts";
import type { Supervisor } from "../runtime/supervisor.ts";

const IDLE_MS = 300_000;

/**
 * Opens for the first message and closes when idle. A broker may disconnect a client because of a
 * message: its size, its topic, a quota. On this connection that affects no subscription.
 */
export class Publisher {
  #supervisor: Supervisor | undefined;
  #pending = 0;
  #idle: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  constructor(
    private readonly make: () => Supervisor,
    private readonly idleMs: number = IDLE_MS,
  ) {}

  /** Resolves after the broker's ack. @throws {Error} if there is none within `timeoutMs`. */
  async publish(message: Outgoing, timeoutMs: number): Promise<void> {
    if (this.#stopped) throw new Error("Cannot publish: the program is stopped");
    const supervisor = this.#supervisor ??= this.make();
    supervisor.start();
    clearTimeout(this.#idle);
    this.#pending++;
    try {
      await supervisor.publish(message, timeoutMs);
    } finally {
      this.#pending--;
      if (this.#pending === 0 && !this.#stopped) {
        this.#idle = setTimeout(() => supervisor.stop(), this.idleMs);
      }
    }
  }

  /** Stops for good: later messages are rejected. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#idle);
    await this.#supervisor?.stop();
  }
}
