/** How fast clients that send a lot are read, so that reading never takes the time of others. */

/** What a client may send; beyond it, it has to wait for its turn. */
export interface ReadShare {
  /** At once. */
  readonly burstBytes: number;
  /** And each second, whatever others send. */
  readonly bytesPerSecond: number;
}

/** Clients of streams send little: two of the largest commands, and some small ones. */
export const STREAM_SHARE: ReadShare = { burstBytes: 147_456, bytesPerSecond: 4_096 };
/** Peers that hand in messages. */
export const INBOUND_SHARE: ReadShare = { burstBytes: 2_097_152, bytesPerSecond: 1_048_576 };

/** How far a large read may overdraw. */
const MAX_DEBT_BYTES = 4_096;
/** All clients beyond their share have this many turns together, of so many bytes: 4 MB a second. */
const TURN_MS = 10;
const CLIENTS_PER_TURN = 10;
const BYTES_PER_TURN = 4_096;

/** Clients that sent more than their share wait here, and are read one after another. */
export class ReadQueue {
  readonly #waiting = new Set<() => void>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Calls `resume` when its turn comes. */
  add(resume: () => void): void {
    this.#waiting.add(resume);
    this.#timer ??= setTimeout(() => this.#turn(), TURN_MS);
  }

  delete(resume: () => void): void {
    this.#waiting.delete(resume);
    if (this.#waiting.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #turn(): void {
    this.#timer = undefined;
    let clients = 0;
    for (const resume of this.#waiting) {
      if (clients++ === CLIENTS_PER_TURN) break;
      this.#waiting.delete(resume);
      resume();
    }
    if (this.#waiting.size > 0) this.#timer ??= setTimeout(() => this.#turn(), TURN_MS);
  }
}

/** One queue for each thread. */
const queue = new ReadQueue();

/** Holds one client to its share. */
export class ReadPace {
  #bytes: number;
  #countedAt = performance.now();
  #resume: (() => void) | undefined;

  constructor(private readonly share: ReadShare = STREAM_SHARE) {
    this.#bytes = share.burstBytes;
  }

  /** Before a read: undefined where it may begin now, else resolves when it may. */
  wait(): Promise<void> | undefined {
    if (this.#bytes > 0) return undefined;
    const now = performance.now();
    const { burstBytes, bytesPerSecond } = this.share;
    const earned = (now - this.#countedAt) * (bytesPerSecond / 1000);
    this.#bytes = Math.min(burstBytes, this.#bytes + earned);
    this.#countedAt = now;
    if (this.#bytes > 0) return undefined;
    return new Promise((resolve) => {
      this.#resume = () => {
        this.#bytes = BYTES_PER_TURN;
        resolve();
      };
      queue.add(this.#resume);
    });
  }

  /** After a read. */
  count(bytes: number): void {
    this.#bytes = Math.max(-MAX_DEBT_BYTES, this.#bytes - bytes);
  }

  /** Ends a wait now. */
  stop(): void {
    if (!this.#resume) return;
    queue.delete(this.#resume);
    this.#resume();
    this.#resume = undefined;
  }
}
