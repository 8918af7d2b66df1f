/** Distinguishes an unavailable service from a message that the service cannot process. */

import type { Clock } from "../../lib/clock.ts";

export interface CircuitOptions {
  /** Pause between two probes while the service is unavailable. */
  readonly restMs: number;
  readonly clock: Clock;
  /** Called once when the service becomes unavailable, and once when it recovers. */
  readonly onAway?: ((away: boolean) => void) | undefined;
}

/** One call; `key` names the message that it is made for. */
export interface Call {
  readonly key: string | undefined;
  readonly kind: "usual" | "probe" | "first";
}

export interface Failure {
  /** False if nothing of the message reached the service: the connection was refused. */
  readonly reached: boolean;
}

/** Failures in a row, and distinct messages among them, that open the circuit. */
const FAILURES = 5;
const MESSAGES = 3;
/** How many times more often a message that has not failed yet may probe. */
const FIRST_SHARE = 5;
const MAX_KNOWN = 10_000;

/** When a message failed, as the number of messages that had passed by then. */
interface Known {
  readonly first: number;
  readonly last: number;
}

/**
 * - The circuit opens if calls for several messages fail in a row. A single one never opens it.
 * - A message that failed before another one passed, and fails again after it, is at fault itself.
 *   It does not open the circuit either.
 * - While the circuit is open, one call per `restMs` probes whether the service is back. A message
 *   that has not failed yet may probe sooner, so that messages that always fail do not block it.
 */
export class Circuit {
  /** Messages that passed. */
  #passed = 0;
  /** Messages that failed and have not passed since, oldest failure first. */
  readonly #failing = new Map<string, Known>();
  /** Failures since the last success: calls, messages, and the messages that suggest an outage. */
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

  /** Undefined if the service must not be called now. Every call that was begun must be ended. */
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

  /** Call it whatever the outcome was. */
  end({ kind }: Call): void {
    if (kind === "probe") this.#probing = false;
    if (kind === "first") this.#firstProbing = false;
  }

  /** The service processed the call. */
  passed({ key }: Call): void {
    if (key !== undefined) {
      this.#passed++;
      this.#failing.delete(key);
    }
    this.answered();
  }

  /** The service is available, although it refused the message. */
  answered(): void {
    this.#failuresInRow = 0;
    this.#failedInRow.clear();
    this.#doubts.clear();
    this.#turn(false);
  }

  /** True if the message itself is at fault: others passed meanwhile, and few others fail. */
  failed({ key }: Call, { reached }: Failure): boolean {
    // A refused connection says something about the service, not about the message.
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
    // A call was made just now, so the next probe comes after the pause.
    this.#probeAt = this.options.clock.monotonic() + this.options.restMs;
    this.options.onAway?.(open);
  }
}

function add(names: Set<string>, name: string): void {
  if (names.size < MAX_KNOWN) names.add(name);
}
