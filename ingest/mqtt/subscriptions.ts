/** Keeps the subscriptions of a session at the broker equal to the configured topics. */

import type { SourceContext } from "../runtime/source.ts";
import type { Connection } from "./connection.ts";

export interface SubscriptionOptions {
  readonly topics: readonly string[];
  readonly qos: 0 | 1 | 2;
  readonly clean: boolean;
  /** How long the broker may take to send a SUBACK or UNSUBACK. */
  readonly answerTimeoutMs?: number | undefined;
}

const ANSWER_MS = 10_000;
/** A rule that forbids a topic may change during the connection. */
const REFUSED_RETRY_MS = 60_000;

/**
 * A broker cannot be asked what a session is subscribed to, so the list is kept on this side. It
 * grows before a SUBSCRIBE and shrinks after an UNSUBACK, so it never misses a topic.
 */
export class Subscriptions {
  #known: readonly string[];
  /** Whether this object has already subscribed to all topics. */
  #complete = false;

  constructor(
    private readonly options: SubscriptionOptions,
    private readonly context: SourceContext,
  ) {
    this.#known = context.previousTopics;
  }

  /**
   * Calls `onApplied` with the topics that the broker refused, and again when that changes.
   * @throws {Error} if the broker does not answer or the connection is lost.
   */
  async apply(
    connection: Connection,
    sessionPresent: boolean,
    onApplied: (refused: readonly string[]) => void,
  ): Promise<void> {
    const { topics, clean } = this.options;
    const known = sessionPresent ? this.#known : [];
    if (!clean) this.#setKnown([...new Set([...known, ...topics])]);
    const old = known.filter((topic) => !topics.includes(topic));
    await this.#answered(connection.unsubscribe(old), "UNSUBSCRIBE");
    // Before MQTT 5, each SUBSCRIBE brings the retained messages again, so it is sent only once.
    const isThere = sessionPresent && this.#complete && connection.version === 4;
    const refused = isThere ? [] : await this.#subscribe(connection, topics);
    if (!clean) this.#setKnown(topics);
    onApplied(refused);
    if (refused.length > 0) this.#tryAgain(connection, refused, onApplied);
  }

  async #subscribe(connection: Connection, topics: readonly string[]): Promise<string[]> {
    const subscribing = connection.subscribe(topics, this.options.qos);
    const refused = await this.#answered(subscribing, "SUBSCRIBE");
    this.#complete = refused.length === 0;
    return refused;
  }

  #tryAgain(
    connection: Connection,
    first: readonly string[],
    onApplied: (refused: readonly string[]) => void,
  ): void {
    let refused = first;
    const timer = setInterval(async () => {
      try {
        const still = await this.#subscribe(connection, refused);
        if (still.length === refused.length) return;
        refused = still;
        if (refused.length === 0) clearInterval(timer);
        onApplied(refused);
      } catch {
        // The connection is lost; the timer is cleared below.
      }
    }, REFUSED_RETRY_MS);
    connection.closed.then(() => clearInterval(timer));
  }

  #setKnown(topics: readonly string[]): void {
    const same = topics.length === this.#known.length &&
      topics.every((topic) => this.#known.includes(topic));
    this.#known = topics;
    if (!same) this.context.onSubscribed(topics);
  }

  async #answered<T>(answer: Promise<T>, packet: string): Promise<T> {
    const timeoutMs = this.options.answerTimeoutMs ?? ANSWER_MS;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`no answer to ${packet} within ${timeoutMs} ms`)),
        timeoutMs,
      );
    });
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
