/** Limits how fast clients that send a lot are read, so that others are not delayed. */

/** What a client may send; beyond this it waits for its turn. */
export interface ReadShare {
  /** In one burst. */
  readonly burstBytes: number;
  /** Per second, whatever others send. */
  readonly bytesPerSecond: number;
}

/** Stream clients send little: this allows two of the largest commands, and some small ones. */
export const STREAM_SHARE: ReadShare = { burstBytes: 147_456, bytesPerSecond: 4_096 };

/** Read immediately from every client, however busy the thread is: pongs, a command. */
const LITTLE: ReadShare = { burstBytes: 2_048, bytesPerSecond: 512 };
/** Share of the thread's time for client input beyond that, and how much of it at once. */
const TIME_SHARE = 0.25;
const MAX_TIME_MS = 40;
/** Cost of the read itself: a promise and a system call. */
const READ_MS = 0.015;
/** How far a large read may overdraw the credit. */
const MAX_DEBT_BYTES = 4_096;
/**
 * Each turn reads this many clients that are beyond their share, this many bytes each: 4 MB a
 * second in total. Only one client if the thread has no time left for input.
 */
const TURN_MS = 10;
const CLIENTS_PER_TURN = 10;
const BYTES_PER_TURN = 4_096;

/**
 * What the clients of a thread share: the time for their input, and their turns. Clients that sent
 * more than their share, or for which no time is left, wait here and are read one after another.
 */
export class ReadQueue {
  readonly #waiting = new Set<() => void>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ms = MAX_TIME_MS;
  #at = performance.now();

  hasTime(now: number): boolean {
    const passed = Math.max(0, now - this.#at);
    this.#ms = Math.min(MAX_TIME_MS, this.#ms + passed * TIME_SHARE);
    this.#at = now;
    return this.#ms > 0;
  }

  spend(ms: number): void {
    this.#ms = Math.max(-MAX_TIME_MS, this.#ms - ms);
  }

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
    const most = this.hasTime(performance.now()) ? CLIENTS_PER_TURN : 1;
    let clients = 0;
    for (const resume of this.#waiting) {
      if (clients++ === most) break;
      this.#waiting.delete(resume);
      resume();
    }
    if (this.#waiting.size > 0) this.#timer ??= setTimeout(() => this.#turn(), TURN_MS);
  }
}

/** The queue of this thread. */
const THREAD = new ReadQueue();

/** What is left of a share. */
class ReadCredit {
  #bytes: number;
  #at = performance.now();

  constructor(private readonly share: ReadShare) {
    this.#bytes = share.burstBytes;
  }

  isLeft(now: number): boolean {
    if (this.#bytes > 0) return true;
    const { burstBytes, bytesPerSecond } = this.share;
    const earned = (now - this.#at) * (bytesPerSecond / 1000);
    this.#bytes = Math.min(burstBytes, this.#bytes + earned);
    this.#at = now;
    return this.#bytes > 0;
  }

  count(bytes: number): void {
    this.#bytes = Math.max(-MAX_DEBT_BYTES, this.#bytes - bytes);
  }

  /** Raises the credit to `bytes` if it is lower. */
  lend(bytes: number): void {
    this.#bytes = Math.max(this.#bytes, bytes);
  }
}

/** Limits one client to its share, and all of them to their share of time. */
export class ReadPace {
  readonly #little = new ReadCredit(LITTLE);
  readonly #credit: ReadCredit;
  /** When the last bytes were handed over; their cost is known at the next read. */
  #handedAt: number | undefined;
  #resume: (() => void) | undefined;

  constructor(share: ReadShare = STREAM_SHARE, private readonly queue: ReadQueue = THREAD) {
    this.#credit = new ReadCredit(share);
  }

  /** To be called before a read: undefined if it may begin now, else resolves when it may. */
  wait(): Promise<void> | undefined {
    const now = performance.now();
    if (this.#handedAt !== undefined) this.queue.spend(now - this.#handedAt + READ_MS);
    this.#handedAt = undefined;
    if (this.#little.isLeft(now)) return undefined;
    if (this.#credit.isLeft(now) && this.queue.hasTime(now)) return undefined;
    return new Promise((resolve) => {
      this.#resume = () => {
        this.#credit.lend(BYTES_PER_TURN);
        resolve();
      };
      this.queue.add(this.#resume);
    });
  }

  /** To be called after a read. */
  count(bytes: number): void {
    this.#little.count(bytes);
    this.#credit.count(bytes);
    this.#handedAt = performance.now();
  }

  /** Ends a wait now. */
  stop(): void {
    if (!this.#resume) return;
    this.queue.delete(this.#resume);
    this.#resume();
    this.#resume = undefined;
  }
}
