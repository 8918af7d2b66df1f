/**
 * Delivers publications to the sessions of this instance.
 *
 * The streams room: from the log to each client. It imports log/, messages/, config/, telemetry/ and
 * lib/, and knows no server: sinks write to whatever a route opens.
 */

import { closed, stageTook } from "../../telemetry/metrics.ts";
import { forgetFrames, JoinedEvents, KEEP_ALIVE, replayedFrames } from "./client_frame.ts";
import { Drainer } from "./drainer.ts";
import type { Fanout, FanoutListener, FanoutState } from "../log/fanout.ts";
import { attempt, logFault } from "../../telemetry/fault.ts";
import type { Interest } from "../messages/interest.ts";
import type { Publication } from "../messages/message.ts";
import { MonitoredDevices } from "./monitored.ts";
import { Presence, type PresenceState } from "./presence.ts";
import { presenceText, Session, type SessionEvents, type SessionMode } from "./session.ts";
import type { Sink } from "./sink.ts";
import type { QueueLimits } from "./slow_queue.ts";
import { Subscribers } from "./subscribers.ts";
import { StartScheduler } from "./start_scheduler.ts";
import { TimingWheel } from "./timing_wheel.ts";

export interface HubOptions {
  readonly limits: QueueLimits;
  readonly keepaliveSeconds: number;
  readonly staleSeconds: number;
  /** Between two SSE comments; 20 by default, since proxies close connections idle for 60 s. */
  readonly commentSeconds?: number;
  /** A client that reads nothing of its waiting data is closed after one to two times this. */
  readonly writeSeconds?: number;
  readonly onDrop: (deviceId: string, session: Session) => void;
  readonly onState?: (state: FanoutState) => void;
}

/** Totals of the sessions of one transport, since the start. */
export interface TransportTotals {
  connections: number;
  connected: number;
  sent: number;
  dropped: number;
}

const GOING_AWAY = 1001;
const POLICY_VIOLATION = 1008;
const INTERNAL_ERROR = 1011;
const COMMENT_SECONDS = 20;
const WRITE_SECONDS = 60;
/** After a fault, a client is told to reconnect after one to two times this delay. */
const RETRY_MS = 1000;

/**
 * Owns the sessions of this instance. Publications arrive in log order, and each session gets those
 * that match its interest in that order, written in the same turn. A session whose code or sink
 * throws is closed; other sessions are not affected, and no method throws because of it.
 */
export class Hub implements FanoutListener, Disposable {
  readonly totals: Record<"ws" | "sse", TransportTotals> = {
    ws: { connections: 0, connected: 0, sent: 0, dropped: 0 },
    sse: { connections: 0, connected: 0, sent: 0, dropped: 0 },
  };
  /** Number of publications received, of all devices. */
  published = 0;
  readonly #sessions = new Set<Session>();
  readonly #subscribers = new Subscribers<Session>();
  readonly presence: Presence;
  /** Clients that start or catch up wait here, so that live messages go first. */
  readonly startScheduler: StartScheduler = new StartScheduler();
  readonly #monitored: MonitoredDevices<Session>;
  /** Sessions that want `presence` events. */
  readonly #watchers = new Subscribers<Session>();
  readonly #pings: TimingWheel<Session>;
  readonly #comments: TimingWheel<Session>;
  readonly #unread: TimingWheel<Session>;
  readonly #drainer = new Drainer((session, error) => this.fail(session, error));
  readonly #turn: Session[] = [];
  readonly #ticker: ReturnType<typeof setInterval>;

  readonly #events: SessionEvents = {
    onSent: (count, { sink }) => this.totals[sink.transport].sent += count,
    onDrop: (deviceId, session) => {
      this.totals[session.sink.transport].dropped++;
      this.options.onDrop(deviceId, session);
    },
    onWaiting: (session, waits) => this.#drainer.add(session, waits),
  };

  constructor(readonly fanout: Fanout, private readonly options: HubOptions) {
    const { startScheduler } = this;
    this.#monitored = new MonitoredDevices(this.#subscribers, { log: fanout.log, startScheduler });
    const pause = () => startScheduler.pass();
    this.#pings = new TimingWheel(options.keepaliveSeconds, (session) => this.ping(session), pause);
    this.#comments = new TimingWheel(
      options.commentSeconds ?? COMMENT_SECONDS,
      (session) => this.#step(session, () => session.sink.comment()),
      pause,
    );
    this.#unread = new TimingWheel(
      options.writeSeconds ?? WRITE_SECONDS,
      (session) => this.#step(session, () => this.#closeUnread(session)),
      pause,
    );
    this.presence = new Presence(fanout.log, {
      staleMs: options.staleSeconds * 1000,
      onChange: (deviceIds, state) => this.#tellPresence(deviceIds, state),
      pause,
    });
    this.#ticker = setInterval(() => {
      this.presence.sweep();
      this.#pings.turn();
      this.#comments.turn();
      this.#unread.turn();
      replayedFrames.sweep();
    }, 1000);
  }

  get sessions(): ReadonlySet<Session> {
    return this.#sessions;
  }

  /** Number of sessions that have something to write. */
  get waitingSessions(): number {
    return this.#drainer.waiting.size;
  }

  /** Number of sessions with a full socket; waiting for a rate or a batch is not slow. */
  get slowSessions(): number {
    let count = 0;
    for (const { sink } of this.#drainer.waiting) if (sink.full) count++;
    return count;
  }

  /** Messages and bytes that wait in all sessions. */
  get queued(): { messages: number; bytes: number } {
    const sum = { messages: 0, bytes: 0 };
    for (const { queued } of this.#drainer.waiting) {
      sum.messages += queued.messages;
      sum.bytes += queued.bytes;
    }
    return sum;
  }

  /** Number of devices that clients here asked for; see {@linkcode MonitoredDevices}. */
  get devicesMonitored(): number {
    return this.#monitored.count;
  }

  /** The cursor of the newest position, or of another position of the same log. */
  readonly cursor = (offset: number = this.fanout.log.position): string =>
    this.fanout.epoch.cursor(offset);

  // ---- publications

  onPublications(batch: readonly Publication[]): void {
    this.published += batch.length;
    const turn = this.#turn;
    this.presence.seen(batch);
    for (const publication of batch) {
      this.#subscribers.each(publication.deviceId, (session) => {
        try {
          if (session.add(publication)) turn.push(session);
        } catch (error) {
          this.fail(session, error);
        }
      });
    }
    if (turn.length === 0) return;
    const startedAt = performance.now();
    const joined = new JoinedEvents();
    for (const session of turn) {
      try {
        session.flush(joined);
      } catch (error) {
        this.fail(session, error);
      }
    }
    turn.length = 0;
    stageTook("send", performance.now() - startedAt);
    forgetFrames(batch);
  }

  onReset(reason: string): void {
    for (const session of [...this.#sessions]) {
      this.goodbye(session, reason, Math.floor(Math.random() * 2000));
    }
  }

  onState(state: FanoutState): void {
    this.options.onState?.(state);
  }

  // ---- sessions

  /** Opens a session: it gets pings from now on, and messages once it is attached. */
  open(sink: Sink, interest: Interest, mode: SessionMode = {}): Session {
    const totals = this.totals[sink.transport];
    const { limits } = this.options;
    const session = new Session(sink, interest, { mode, limits, events: this.#events });
    totals.connections++;
    totals.connected++;
    this.#sessions.add(session);
    this.#pings.add(session);
    this.#unread.add(session);
    if (mode.presence) this.#watchers.add(session, interest);
    if (sink.transport === "sse") this.#comments.add(session);
    return session;
  }

  /** Starts live delivery: the session gets what it asked for from the next publication on. */
  attach(session: Session): void {
    if (session.closed) return;
    session.goLive();
    this.#subscribers.add(session, session.interest);
  }

  /** Changes the interest of a session, between two publications. */
  reattach(session: Session, interest: Interest): void {
    if (session.closed) return;
    if (session.live) this.#subscribers.remove(session, session.interest);
    if (session.mode.presence) this.#watchers.remove(session, session.interest);
    session.want(interest);
    if (session.live) this.#subscribers.add(session, interest);
    if (session.mode.presence) this.#watchers.add(session, interest);
  }

  /** Closes a session, or removes one whose client is gone. */
  close(session: Session, code = 1000, reason = ""): void {
    if (session.closed) return;
    session.closed = true;
    if (code > GOING_AWAY) closed.count(reason.replaceAll(" ", "_"));
    if (session.live) this.#subscribers.remove(session, session.interest);
    if (session.mode.presence) this.#watchers.remove(session, session.interest);
    this.#sessions.delete(session);
    this.#pings.delete(session);
    this.#comments.delete(session);
    this.#unread.delete(session);
    this.#drainer.delete(session);
    this.totals[session.sink.transport].connected--;
    const { sink } = session;
    if (!attempt("a client's socket could not be closed", () => sink.close(code, reason))) {
      attempt("a client's socket could not be abandoned", () => sink.abandon());
    }
    attempt("the close callback of a session failed", () => session.onClosed?.());
  }

  /** Closes a session, and tells its client when to reconnect. */
  goodbye(session: Session, reason: string, reconnectMs: number): void {
    if (session.closed) return;
    attempt(
      "could not send goodbye to a client",
      () => sendGoodbye(session, reason, reconnectMs, session.position(this.cursor)),
    );
    closed.count(reason.replaceAll(" ", "_"));
    this.close(session, GOING_AWAY, "going away");
  }

  /**
   * Closes a session because of a bug. Its client is told to reconnect, but gets no new position,
   * because messages that count as written may not have been sent.
   */
  fail(session: Session, error: unknown): void {
    if (session.closed) return;
    logFault("closing a session that failed", error);
    const retryMs = RETRY_MS + Math.floor(Math.random() * RETRY_MS);
    attempt("could not send goodbye to a client", () => sendGoodbye(session, "error", retryMs));
    this.close(session, INTERNAL_ERROR, "internal error");
  }

  ping(session: Session): void {
    this.#step(
      session,
      () => session.sink.event("ping", KEEP_ALIVE, session.position(this.cursor)),
    );
  }

  [Symbol.dispose](): void {
    this.startScheduler[Symbol.dispose]();
    clearInterval(this.#ticker);
    for (const session of [...this.#sessions]) this.close(session, 1001, "going away");
    this.#drainer[Symbol.dispose]();
  }

  /** Closes a client if data waits and the system has taken none of it since the last check. */
  #closeUnread(session: Session): void {
    const { sink } = session;
    const { taken } = sink;
    if (sink.buffered === 0 || taken !== session.taken) {
      session.taken = taken;
      return;
    }
    // In this order: an abandoned socket would end the session without its reason.
    this.close(session, POLICY_VIOLATION, "not read");
    sink.abandon();
  }

  /** Writes all presence events for a watcher in one write. */
  #tellPresence(deviceIds: readonly string[], state: PresenceState): void {
    const told = new Map<Session, string[]>();
    for (const deviceId of deviceIds) {
      let text: string | undefined;
      const tell = (session: Session) =>
        this.#step(session, () => {
          if (!session.admitsPresence(deviceId, state)) return;
          text ??= presenceText(deviceId, state);
          const texts = told.get(session);
          if (texts) texts.push(text);
          else told.set(session, [text]);
        });
      this.#watchers.each(deviceId, tell);
    }
    const joined = new JoinedEvents();
    for (const [session, texts] of told) {
      this.#step(session, () => session.sink.events("presence", texts, joined));
    }
  }

  #step(session: Session, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.fail(session, error);
    }
  }
}

function sendGoodbye(session: Session, reason: string, reconnectMs: number, id?: string): void {
  session.sink.event("goodbye", JSON.stringify({ reason, reconnect_ms: reconnectMs }), id);
}
