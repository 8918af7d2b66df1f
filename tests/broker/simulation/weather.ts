/** Failures of the calls between a process and its store. */

import type { Random } from "./random.ts";

/** A request in flight: when it is applied, and when the answer arrives, if ever. */
export interface Attempt {
  readonly requestMs: number;
  readonly answerMs?: number;
  /** The answer is an error, though the request was applied. */
  readonly broken?: boolean;
}

export interface Fate {
  readonly attempts: readonly Attempt[];
  /** Rejects after this time, regardless of the attempts. */
  readonly refusedMs?: number;
  /** A commit reports `ok: false` after this time, regardless of the attempts. */
  readonly falseMs?: number;
}

/**
 * - `refused`: the store cannot be reached.
 * - `silent`: requests are lost.
 * - `deaf`: requests are applied, answers are lost.
 */
export type Outage = "none" | "refused" | "silent" | "deaf";

export class Weather {
  /** How likely a call is to fail. */
  trouble: number;
  /** The outage of all processes. */
  outage: Outage = "none";
  readonly limitMs: number;
  #slowMs: number;

  constructor(private readonly random: Random) {
    this.trouble = random.pick([0, 0.02, 0.1, 0.3]);
    this.limitMs = random.pick([200, 500, 1000]);
    this.#slowMs = random.pick([5, 40, 300]);
  }

  clear(): void {
    this.trouble = 0;
    this.outage = "none";
    this.#slowMs = 5;
  }

  delayMs(): number {
    return this.random.chance(0.9)
      ? this.random.between(0.2, 3)
      : this.random.between(3, this.#slowMs);
  }

  fate(kind: "read" | "commit", partition: Outage): Fate {
    const { random } = this;
    const outage = this.outage === "none" ? partition : this.outage;
    if (outage === "refused") return { attempts: [], refusedMs: this.delayMs() };
    if (outage === "silent") return { attempts: [] };
    if (outage === "deaf") return { attempts: [{ requestMs: this.delayMs() }] };
    const whole = { requestMs: this.delayMs(), answerMs: this.delayMs() };
    if (!random.chance(this.trouble)) return { attempts: [whole] };
    const unanswered = { requestMs: this.delayMs() };
    // Applied after the time limit: about when its outcome is checked, or much later.
    const late = {
      requestMs: this.limitMs + random.between(0, random.pick([100, 8 * this.limitMs])),
    };
    const slow = { requestMs: random.between(0, this.limitMs), answerMs: this.delayMs() };
    const fates: Fate[] = [
      { attempts: [] },
      { attempts: [], refusedMs: this.delayMs() },
      { attempts: [unanswered] },
      { attempts: [{ ...whole, broken: true }] },
      { attempts: [{ ...slow }] },
      { attempts: [{ ...whole, answerMs: random.between(0, 2 * this.limitMs) }] },
    ];
    if (kind === "commit") {
      fates.push(
        { attempts: [late] },
        { attempts: [late], refusedMs: this.delayMs() },
        // The underlying client retries by itself, and its second attempt is the one answered.
        { attempts: [unanswered, { ...slow, requestMs: slow.requestMs + unanswered.requestMs }] },
        { attempts: [late, whole] },
        { attempts: [], falseMs: this.delayMs() },
        { attempts: [unanswered], falseMs: unanswered.requestMs + this.delayMs() },
      );
    }
    return random.pick(fates);
  }
}
