/** The connection of the program: the leased source's, or one that only publishes. */

import type { Outgoing, SourceState } from "../runtime/source.ts";
import type { Supervisor } from "../runtime/supervisor.ts";
import type { Link, LinkListener } from "./link.ts";

/**
 * Where this instance has the ingest lease, its source's connection serves both ways. Any other
 * instance publishes over one of its own, which is opened when there is something to publish.
 * What is received goes from the source's worker into the stream, and not to the listener.
 */
export class WorkerLink implements Link {
  state: SourceState = { state: "stopped" };
  #primary = false;
  #source: Supervisor | undefined;
  #publisher: Supervisor | undefined;
  #listener: LinkListener | undefined;

  /** `makePublisher` makes it idle, and passes its states to {@linkcode onPublisherState}. */
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

  /** The source itself is stopped by whoever has started it. */
  async stop(): Promise<void> {
    this.#listener = undefined;
    await this.#publisher?.stop();
  }

  #setState(state: SourceState): void {
    this.state = state;
    this.#listener?.onState(state);
  }
}
