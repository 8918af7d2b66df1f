/** Work that has to be done once because of a message: what it is, and how it ends. */

/** A piece of work, as its handler sees it. */
export interface Delivery {
  /** Stable over retries and takeovers: sent along, so that the other side can tell a repeat. */
  readonly id: string;
  readonly lane: string;
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
  /** The other side is away: it says nothing of this work, and is no try of it. */
  readonly away?: boolean;
  /** The other side named a time, in ms from now. */
  readonly retryAfterMs?: number | undefined;
}

/** The work failed; the message is shown to operators and holds no secret. */
export class DeliveryError extends Error {
  override readonly name = "DeliveryError";
  readonly permanent: boolean;
  readonly away: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(
    message: string,
    { permanent = false, away = false, retryAfterMs }: DeliveryErrorOptions = {},
  ) {
    super(message);
    this.permanent = permanent;
    this.away = away;
    this.retryAfterMs = retryAfterMs;
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
