/** One device of one client: what has come of it, and from where on it must. */

export class ExpectedDevice {
  /** Everything after this offset has to come; undefined while nothing has. */
  from: number | undefined;
  readonly seen = new Set<number>();
  /** Of this connection: the last offset that came, and how many were told to be dropped. */
  last = 0;
  told = 0;
  sentAt = -Infinity;
  snapshot = 0;
  /** Offsets that a command's replay has brought. */
  replay: number[] | undefined;
  /** What a command's replay brought without an id: a resume from below brings it again. */
  withoutId: number[] = [];
  /** What was told as dropped may be replayed by a command, or be out of the log. */
  isInexact = false;
  /** This connection has asked for its snapshot. */
  hasSnapshot = false;

  get newest(): number {
    return Math.max(this.snapshot, ...this.seen);
  }
}
