/** Work that has to be done once because of a message: what it is, and how it ends. */

/** A piece of work, as its handler sees it. */
export interface Delivery {
  /** Stable over retries and takeovers: sent along, so that the other side can tell a repeat. */
  readonly id: string;
  readonly partition: string;
  readonly kind: string;
  /** What has to be done, as JSON has it. */
  readonly data: unknown;
  /** Tries so far; 0 at the first. */
  readonly attempts: number;
}

/** What is left to do after a step; nothing where the work is done. */
export interface NextStep {
  readonly kind: string;
  readonly data: unknown;
}

/**
 * Does the work, or a step of it. At least once: where the process dies after the work and before
 * it is noted, it is done again.
 * @throws {DeliveryError} where it failed; any other error counts as one that may pass.
 */
export type DeliveryHandler = (
  delivery: Delivery,
  signal: AbortSignal,
) => Promise<NextStep | undefined>;

export interface DeliveryErrorOptions {
  /** Trying again cannot help. */
  readonly permanent?: boolean;
  /** The other side seems to be away: it says nothing of this work, and is no try of it. */
  readonly away?: boolean;
  /** The other side does other work of this kind: it is this work that it cannot do. */
  readonly own?: boolean;
  /** The other side asks to be left alone for a while. */
  readonly busy?: boolean;
  /**
   * How far it got: `none`, nothing was sent; `silent`, no answer came in time. Unless given `none`
   * where the other side is away: then it is sure that it is not this work.
   */
  readonly contact?: "none" | "silent" | "answered";
  /** The other side named a time, in ms from now. */
  readonly retryAfterMs?: number | undefined;
  /** What is to be tried next in the place of the same again. */
  readonly next?: NextStep | undefined;
}

/** The work failed; the message is shown to operators and holds no secret. */
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

  /** The same failure, of which more is known. */
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
