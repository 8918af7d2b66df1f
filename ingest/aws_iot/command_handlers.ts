/** The handlers of received commands. */

import { logFault } from "../../telemetry/fault.ts";
import type { Command } from "./link.ts";

export type CommandHandler = (command: Command) => void | Promise<void>;

export class CommandHandlers {
  readonly #all = new Set<CommandHandler>();

  /** Returns a function that removes the handler. */
  add(handler: CommandHandler): () => void {
    this.#all.add(handler);
    return () => this.#all.delete(handler);
  }

  /** Calls the handlers one after another. A failing one is logged and does not stop the rest. */
  async call(command: Command): Promise<void> {
    for (const handler of this.#all) {
      try {
        await handler(command);
      } catch (error) {
        logFault("a command handler failed", error);
      }
    }
  }
}
