/** Drains waiting sessions when their socket takes more bytes, or when their time comes. */

import { JoinedEvents } from "./client_frame.ts";
import type { Waits } from "./outbox.ts";
import type { Session } from "./session.ts";

/** Poll interval for sockets that cannot signal when they take more. */
const LOOK_MS = 5;
/** Poll interval for messages that are held back by a rate. */
const RATE_MS = 20;
/** After this time, the drainer yields to everything else that is due. */
const SLICE_MS = 4;

/**
 * A waiting session costs nothing until it can continue: sockets signal when they have taken bytes,
 * and only batches and rates use timers, one for each interval. If many sessions are due at once,
 * they are drained in slices.
 */
export class Drainer implements Disposable {
  readonly #waiting = new Set<Session>();
  /** Sessions that can continue, in this order. */
  readonly #ready = new Set<Session>();
  /** Sessions by their poll interval in milliseconds. */
  readonly #timed = new Map<number, Set<Session>>();
  readonly #timers = new Map<number, ReturnType<typeof setTimeout>>();
  #running: ReturnType<typeof setTimeout> | undefined;

  /** `onFault` is called if a session throws; it must then remove the session. */
  constructor(private readonly onFault: (session: Session, error: unknown) => void) {}

  /** Sessions that have something to write. */
  get waiting(): ReadonlySet<Session> {
    return this.#waiting;
  }

  /** Adds a session that has something to write; does nothing if it is already known. */
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
    // A socket that buffers nothing, such as a closing one, takes no bytes and signals nothing.
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
