/** Work that has to be done once because of a message, and its outcomes. */

/** A piece of work, as its handler sees it. */
export interface Delivery {
  /** Stable across retries and takeovers; sent along, so that the other side can detect repeats. */
  readonly id: string;
  readonly partition: string;
  readonly kind: string;
  /** What has to be done, as a JSON value. */
  readonly data: unknown;
  /** Attempts so far; 0 on the first. */
  readonly attempts: number;
}

/** What is left to do after a step. */
export interface NextStep {
  readonly kind: string;
  readonly data: unknown;
}

/**
 * Does the work, or a step of it. At least once: if the process dies after the work and before the
 * result is stored, the work is done again. Returns the next step, if any.
 * @throws {DeliveryError} if it failed; any other error counts as temporary.
 */
export type DeliveryHandler = (
  delivery: Delivery,
  signal: AbortSignal,
) => Promise<NextStep | undefined>;

export interface DeliveryErrorOptions {
  /** A retry cannot help. */
  readonly permanent?: boolean;
  /** The other side seems unavailable: the failure does not count as an attempt of this work. */
  readonly away?: boolean;
  /** The other side does other work of this kind, so this work itself is at fault. */
  readonly own?: boolean;
  /** The other side asks for a pause. */
  readonly busy?: boolean;
  /**
   * How far it got: `none`, nothing was sent; `silent`, no answer came in time. The default is
   * `none` if `away` is set, because this work is then not the cause, otherwise `answered`.
   */
  readonly contact?: "none" | "silent" | "answered";
  /** The delay that the other side asked for, in ms. */
  readonly retryAfterMs?: number | undefined;
  /** The step to try next, instead of the same one. */
  readonly next?: NextStep | undefined;
}

/** The work failed; the message is shown to operators and contains no secret. */
export class DeliveryError extends Error {
  override readonly name = "DeliveryError";
  readonly permanent: boolean;
  readonly away: boolean;
  readonly own: boolean;
  readonly busy: boolean;
  readonly contact: "none" | "silent" | "answered";
  readonly retryAfterMs: number | undefined;
  readonly next: NextStep | undefined;

  constructor(message: string, options: DeliveryErrorOptions = {}) {
    super(message);
    this.permanent = options.permanent ?? false;
    this.away = options.away ?? false;
    this.own = options.own ?? false;
    this.busy = options.busy ?? false;
    this.contact = options.contact ?? (this.away ? "none" : "answered");
    this.retryAfterMs = options.retryAfterMs;
    this.next = options.next;
  }

  /** A copy of this failure with more details. */
  with(more: DeliveryErrorOptions): DeliveryError {
    return new DeliveryError(this.message, { ...this, ...more });
  }
}

/** A delivery as operators see it. */
export interface DeliveryInfo {
  readonly id: string;
  readonly kind: string;
  readonly state: "waiting" | "dead";
  readonly attempts: number;
  readonly reason: string | null;
}
