import { Mailbox } from "./mailbox.ts";
import type { TelecastEvents, TelecastMessage } from "./types.ts";
import { AllWaiting, NewestWaiting } from "./waiting.ts";

export interface AudienceOptions<T> {
  /** Maximum number of messages that one iterator holds. */
  readonly maxItems: number;
  /** If given, an iterator holds only the newest message of each device. */
  readonly deviceOf?: ((data: T) => unknown) | undefined;
}

/** The event listeners and the iterators of a client. */
export class Audience<T> {
  readonly #options: AudienceOptions<T>;
  readonly #listeners = new Map<string, Set<(event: never) => void>>();
  readonly #mailboxes = new Set<Mailbox<TelecastMessage<T>>>();
  #end: { error: Error | undefined } | undefined;
  /** Messages that slow iterators lost. */
  overflowed = 0;

  constructor(options: AudienceOptions<T>) {
    this.#options = options;
  }

  on<K extends keyof TelecastEvents<T>>(
    type: K,
    listener: (event: TelecastEvents<T>[K]) => void,
  ): () => void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  emit<K extends keyof TelecastEvents<T>>(type: K, event: TelecastEvents<T>[K]): void {
    for (const listener of this.#listeners.get(type) ?? []) {
      try {
        (listener as (event: TelecastEvents<T>[K]) => void)(event);
      } catch (error) {
        // A listener's error is reported as uncaught, but does not stop the stream.
        setTimeout(() => {
          throw error;
        });
      }
    }
  }

  deliver(message: TelecastMessage<T>): void {
    this.emit(message.type, message);
    for (const mailbox of this.#mailboxes) mailbox.push(message);
  }

  iterate(): AsyncIterableIterator<TelecastMessage<T>> {
    const { maxItems, deviceOf } = this.#options;
    const bounds = { maxItems, onOverflow: () => this.overflowed++ };
    const mailbox = new Mailbox<TelecastMessage<T>>({
      waiting: deviceOf
        ? new NewestWaiting({ ...bounds, keyOf: ({ data }) => deviceOf(data) })
        : new AllWaiting(bounds),
      onReturn: () => this.#mailboxes.delete(mailbox),
    });
    if (this.#end) mailbox.end(this.#end.error);
    else this.#mailboxes.add(mailbox);
    return mailbox;
  }

  /** Ends all iterators, including future ones. */
  end(error: Error | undefined): void {
    this.#end = { error };
    for (const mailbox of this.#mailboxes) mailbox.end(error);
    this.#mailboxes.clear();
  }
}
