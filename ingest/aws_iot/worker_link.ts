/** The program's connection: that of the leased source, or one that only publishes. */

import type { Outgoing, SourceState } from "../runtime/source.ts";
import type { Supervisor } from "../runtime/supervisor.ts";
import type { Link, LinkListener } from "./link.ts";

/**
 * If this instance has the ingest lease, its source's connection both receives and publishes. Any
 * other instance publishes over a separate connection, opened when there is something to publish.
 * Received messages go from the source's worker into the stream, not to the listener.
 */
export class WorkerLink implements Link {
  state: SourceState = { state: "stopped" };
  #primary = false;
  #source: Supervisor | undefined;
  #publisher: Supervisor | undefined;
  #listener: LinkListener | undefined;

  /** `makePublisher` does not start it, and passes its states to {@linkcode onPublisherState}. */
  constructor(private readonly makePublisher: () => Supervisor) {}

  get primary(): boolean {
    return this.#primary;
  }

  set source(source: Supervisor) {
    this.#source = source;
  }

  start(listener: LinkListener): void {
    this.#listener = listener;
  }

  onSourceState(state: SourceState): void {
    const primary = state.state !== "stopped";
    if (primary && !this.#primary) this.#publisher?.stop();
    this.#primary = primary;
    this.#setState(state);
  }

  onPublisherState(state: SourceState): void {
    if (!this.#primary) this.#setState(state);
  }

  wake(): void {
    if (this.#primary || !this.#listener) return;
    this.#publisher ??= this.makePublisher();
    this.#publisher.start();
  }

  publish(message: Outgoing, timeoutMs: number): Promise<void> {
    const supervisor = this.#primary ? this.#source : this.#publisher;
    if (!supervisor) return Promise.reject(new Error("there is no connection to AWS IoT"));
    return supervisor.publish(message, timeoutMs);
  }

  /** Does not stop the source: its owner does that. */
  async stop(): Promise<void> {
    this.#listener = undefined;
    await this.#publisher?.stop();
  }

  #setState(state: SourceState): void {
    this.state = state;
    this.#listener?.onState(state);
  }
}
