/** The connection that sends messages: in this thread, or in the program's workers. */

import type { Outgoing, SourceState } from "../runtime/source.ts";

/** A message for a device, as received. */
export interface Command {
  readonly topic: string;
  /** The topic after the prefix of command topics; the whole topic if it has another prefix. */
  readonly deviceId: string;
  readonly payload: string;
  /** The parsed payload; undefined if it is not JSON. */
  readonly data: unknown;
}

export interface LinkListener {
  /** Called on every change of the connection, which can publish only while `connected`. */
  onState(state: SourceState): void;
  /** Resolves when the command is handled: only then is it acknowledged. */
  onCommand(command: Command): Promise<void>;
  onLog(level: "debug" | "info" | "warning" | "error", text: string): void;
}

export interface Link {
  readonly state: SourceState;
  /** Whether this is the one connection that sends keepalives and empties the buffer. */
  readonly primary: boolean;
  start(listener: LinkListener): void;
  /** Called when there is something to publish: connects, if the link connects on demand. */
  wake(): void;
  /** Resolves on the PUBACK. Messages are sent in the order of the calls. */
  publish(message: Outgoing, timeoutMs: number): Promise<void>;
  stop(): Promise<void>;
}
