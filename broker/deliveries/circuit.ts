/** Tells a service that is away from a message that the service cannot take. */

import type { Clock } from "../../lib/clock.ts";

export interface CircuitOptions {
  /** How long the service is left alone while it is away. */
  readonly restMs: number;
  readonly clock: Clock;
  /** Called once when the service is found to be away, and once when it is back. */
  readonly onAway?: ((away: boolean) => void) | undefined;
}

/** One call; `key` names the message that it is made for. */
export interface Call {
  readonly key: string | undefined;
  readonly kind: "usual" | "probe" | "first";
}

export interface Failure {
  /** False where nothing of the message got to the service: a connection was refused. */
  readonly reached: boolean;
}

/** Failures in a row, of so many messages, after which the service counts as away. */
const FAILURES = 5;
const MESSAGES = 3;
/** A message that has not failed yet may ask more often than the others. */
const FIRST_SHARE = 5;
const MAX_KNOWN = 10_000;

/** When a message failed, by the number of messages that had passed until then. */
interface Known {
  readonly first: number;
  readonly last: number;
}

/**
 * - It opens once calls of several messages fail in a row: one message alone never opens it.
 * - A message that failed before another passed, and fails after, fails by itself: it does not
 *   open the circuit either.
 * - While it is open one call a `restMs` asks whether the service is back. A message that has not
 *   failed yet may ask sooner, so that messages which always fail do not keep the others out.
 */
export class Circuit {
  /** Messages that passed. */
  #passed = 0;
  /** Messages that failed and have not passed since, oldest failure first. */
  readonly #failing = new Map<string, Known>();
  /** Since the last call that passed: calls, messages, and those of them that speak for an outage. */
  #failuresInRow = 0;
  readonly #failedInRow = new Set<string>();
  readonly #doubts = new Set<string>();
  #open = false;
  #probing = false;
  #firstProbing = false;
  #probeAt = -Infinity;
  #firstAt = -Infinity;
  #unnamed = 0;

  constructor(private readonly options: CircuitOptions) {}

  get isOpen(): boolean {
    return this.#open;
  }

  /** Undefined where the service is to be left alone; a call that was begun has to be ended. */
  begin(key?: string): Call | undefined {
    if (!this.#open) return { key, kind: "usual" };
    const { restMs, clock } = this.options;
    const now = clock.monotonic();
    if (key !== undefined && !this.#failing.has(key) && !this.#firstProbing) {
      if (now >= this.#firstAt) {
        this.#firstProbing = true;
        this.#firstAt = now + restMs / FIRST_SHARE;
        return { key, kind: "first" };
      }
    }
    if (this.#probing || now < this.#probeAt) return undefined;
    this.#probing = true;
    this.#probeAt = now + restMs;
    return { key, kind: "probe" };
  }

  /** Whatever became of it. */
  end({ kind }: Call): void {
    if (kind === "probe") this.#probing = false;
    if (kind === "first") this.#firstProbing = false;
  }

  /** The service did what it was asked for. */
  passed({ key }: Call): void {
    if (key !== undefined) {
      this.#passed++;
      this.#failing.delete(key);
    }
    this.answered();
  }

  /** The service is there, though it refused the message. */
  answered(): void {
    this.#failuresInRow = 0;
    this.#failedInRow.clear();
    this.#doubts.clear();
    this.#turn(false);
  }

  /** True where the message fails by itself: others passed meanwhile, and few others fail. */
  failed({ key }: Call, { reached }: Failure): boolean {
    // A refused connection tells of the service, whatever it was made for.
    const message = reached ? key : undefined;
    const name = message ?? `call ${++this.#unnamed}`;
    const known = key === undefined ? undefined : this.#failing.get(key);
    this.#failuresInRow++;
    add(this.#failedInRow, name);
    if (message === undefined || !known || known.first === this.#passed) add(this.#doubts, name);
    const own = message !== undefined && known !== undefined && this.#failsAlone(known);
    if (key !== undefined && (reached || !known)) this.#remember(key, known);
    if (this.#failuresInRow >= FAILURES && this.#doubts.size >= MESSAGES) this.#turn(true);
    return own;
  }

  #failsAlone({ first, last }: Known): boolean {
    if (last < this.#passed) return true;
    return first < this.#passed && this.#doubts.size === 0 && this.#failedInRow.size < MESSAGES;
  }

  #remember(key: string, known: Known | undefined): void {
    this.#failing.delete(key);
    this.#failing.set(key, { first: known?.first ?? this.#passed, last: this.#passed });
    if (this.#failing.size > MAX_KNOWN) this.#failing.delete(this.#failing.keys().next().value!);
  }

  #turn(open: boolean): void {
    if (this.#open === open) return;
    this.#open = open;
    // What found it away was a call just now: the next one comes after the rest.
    this.#probeAt = this.options.clock.monotonic() + this.options.restMs;
    this.options.onAway?.(open);
  }
}

function add(names: Set<string>, name: string): void {
  if (names.size < MAX_KNOWN) names.add(name);
}
