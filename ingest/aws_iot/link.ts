/** The connection that messages go out by: in this thread, or in the workers of the program. */

import type { Outgoing, SourceState } from "../runtime/source.ts";

/** A message for a device, as it came. */
export interface Command {
  readonly topic: string;
  /** What follows the prefix of command topics; the whole topic where it has another one. */
  readonly deviceId: string;
  readonly payload: string;
  /** The payload parsed; undefined where it is no JSON. */
  readonly data: unknown;
}

export interface LinkListener {
  /** Comes with every change of the connection; after `connected`, and only then, it can publish. */
  onState(state: SourceState): void;
  /** Resolves when the command is dealt with: only then is it acknowledged. */
  onCommand(command: Command): Promise<void>;
  onLog(level: "debug" | "info" | "warning" | "error", text: string): void;
}

export interface Link {
  readonly state: SourceState;
  /** Whether this is the one connection that keeps alive and empties the buffer. */
  readonly primary: boolean;
  start(listener: LinkListener): void;
  /** There is something to publish: connects, where that is done on demand. */
  wake(): void;
  /** Resolves by the PUBACK. Messages go out in the order of the calls. */
  publish(message: Outgoing, timeoutMs: number): Promise<void>;
  stop(): Promise<void>;
}
