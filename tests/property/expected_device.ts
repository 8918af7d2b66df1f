/** One device of one client: what has arrived, and what must still arrive. */

export class ExpectedDevice {
  /** Everything after this offset must arrive; undefined while nothing must. */
  from: number | undefined;
  readonly seen = new Set<number>();
  /** Of this connection: the last offset that arrived, and how many were reported as dropped. */
  last = 0;
  told = 0;
  sentAt = -Infinity;
  snapshot = 0;
  /** Offsets that a command's replay has sent so far. */
  replay: number[] | undefined;
  /** Sent by a command's replay, without an id: a resume from below sends it again. */
  withoutId: number[] = [];
  /** Messages reported as dropped may be replayed by a command, or be deleted from the log. */
  isInexact = false;
  /** This connection has requested the device's snapshot. */
  hasSnapshot = false;

  get newest(): number {
    return Math.max(this.snapshot, ...this.seen);
  }
}
