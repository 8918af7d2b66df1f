/** Calls on sessions for which something waits: when their socket takes more, or at their pace. */

import { JoinedEvents } from "./client_frame.ts";
import type { Waits } from "./outbox.ts";
import type { Session } from "./session.ts";

/** How often a socket is looked at that cannot tell when it takes more. */
const LOOK_MS = 5;
/** How often messages that wait for their rate are looked at. */
const RATE_MS = 20;
/** After so long everything else that is due goes first. */
const SLICE_MS = 4;

/**
 * A session that waits costs nothing until it can go on: sockets tell when they have taken bytes,
 * and only batches and rates have timers, one for each length. What many sessions are due to write
 * at one time goes out in slices.
 */
export class Drainer implements Disposable {
  readonly #waiting = new Set<Session>();
  /** Sessions that can go on, in this order. */
  readonly #ready = new Set<Session>();
  /** Sessions by the milliseconds between two looks at them. */
  readonly #timed = new Map<number, Set<Session>>();
  readonly #timers = new Map<number, ReturnType<typeof setTimeout>>();
  #running: ReturnType<typeof setTimeout> | undefined;

  /** `onFault` is called where a session throws; it has to be removed then. */
  constructor(private readonly onFault: (session: Session, error: unknown) => void) {}

  /** Sessions for which something waits. */
  get waiting(): ReadonlySet<Session> {
    return this.#waiting;
  }

  /** Something waits; nothing happens where that is known. */
  add(session: Session, waits: Exclude<Waits, "nothing">): void {
    if (this.#waiting.has(session)) return;
    this.#waiting.add(session);
    this.#await(session, waits);
  }

  delete(session: Session): void {
    if (!this.#waiting.delete(session)) return;
    this.#ready.delete(session);
    for (const timed of this.#timed.values()) timed.delete(session);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#running);
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#waiting.clear();
    this.#ready.clear();
    this.#timed.clear();
  }

  #await(session: Session, waits: Exclude<Waits, "nothing">): void {
    const { sink, mode: { batchMs } } = session;
    if (waits === "time") return this.#lookIn(batchMs ?? RATE_MS, session);
    // A socket that holds nothing, as one that is being closed, will not take anything.
    const tells = sink.buffered > 0 && sink.whenTaken(() => this.#becomeReady(session));
    if (!tells) this.#lookIn(LOOK_MS, session);
  }

  #becomeReady(session: Session): void {
    if (!this.#waiting.has(session)) return;
    this.#ready.add(session);
    this.#running ??= setTimeout(() => this.#run());
  }

  #lookIn(ms: number, session: Session): void {
    const timed = this.#timed.get(ms);
    if (timed) timed.add(session);
    else this.#timed.set(ms, new Set([session]));
    if (!this.#timers.has(ms)) this.#timers.set(ms, setTimeout(() => this.#look(ms), ms));
  }

  #look(ms: number): void {
    this.#timers.delete(ms);
    const timed = this.#timed.get(ms)!;
    this.#timed.delete(ms);
    for (const session of timed) this.#ready.add(session);
    if (this.#running === undefined) this.#run();
  }

  #run(): void {
    this.#running = undefined;
    const joined = new JoinedEvents();
    const endsAt = performance.now() + SLICE_MS;
    for (const session of this.#ready) {
      this.#ready.delete(session);
      this.#drain(session, joined);
      if (performance.now() >= endsAt) break;
    }
    if (this.#ready.size > 0) this.#running ??= setTimeout(() => this.#run());
  }

  #drain(session: Session, joined: JoinedEvents): void {
    try {
      const waits = session.drain(joined);
      if (waits === "nothing") this.#waiting.delete(session);
      else if (this.#waiting.has(session)) this.#await(session, waits);
    } catch (error) {
      this.onFault(session, error);
    }
  }
}
