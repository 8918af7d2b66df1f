/** What a client gets before it is live: a snapshot, then what it missed. */

import { JoinedEvents } from "./client_frame.ts";
import type { Replay } from "../log/fanout.ts";
import type { Hub } from "./hub.ts";
import type { Interest } from "../messages/interest.ts";
import { parseCursor, type Publication } from "../messages/message.ts";
import { resumes } from "../../telemetry/metrics.ts";
import { isGone, nextStep, STEP_BYTES, STEP_MESSAGES } from "./pace.ts";
import type { Session } from "./session.ts";
import { sendSnapshot } from "./snapshot.ts";

export interface ResumeOptions {
  /** Everything kept after it is sent first. */
  readonly cursor?: string | undefined;
  /** The last known message of each device is sent before everything else. */
  readonly snapshot?: boolean | undefined;
  readonly signal: AbortSignal;
}

/**
 * Brings a new session to the head of the log, and attaches it in the turn in which it gets there:
 * no gap, no repeat, and no live messages that have to be buffered meanwhile.
 */
export async function beginSession(
  hub: Hub,
  session: Session,
  { cursor, snapshot, signal }: ResumeOptions,
): Promise<void> {
  const opened = hub.cursor();
  session.sink.open(cursor === undefined ? opened : undefined);
  if (cursor === undefined && !snapshot) return hub.attach(session);
  session.reach(cursor === undefined ? opened : parseCursor(cursor) && cursor);
  const wait = hub.startScheduler.pass();
  if (wait) {
    await wait;
    if (isGone(session, signal)) return;
  }
  // In the same turn as the start of the snapshot: later messages are replayed.
  const start = hub.cursor();
  if (snapshot) await sendSnapshot(hub, session, session.interest, { signal });
  let isAnswered = false;
  let replay = await hub.fanout.since(cursor ?? start, session.interest, signal);
  if (snapshot && cursor !== undefined && replay.status === "none") {
    // Messages that arrived meanwhile are not in the snapshot: for this client they are live.
    session.reach(start);
    sendResumed(session, replay, 0, start);
    isAnswered = true;
    replay = await hub.fanout.since(start, session.interest, signal);
  }
  await replayToHead(hub, session, replay, {
    signal,
    write: (step) => session.replay(step, new JoinedEvents()),
    onWritten: (offset) => session.reach(hub.cursor(offset)),
    onHead: (replayed) => {
      // Without a cursor, a client learns only of messages that expired during its snapshot.
      if (!isAnswered && (cursor !== undefined || replay.status !== "full")) {
        sendResumed(session, replay, replayed, session.position(hub.cursor));
      }
      hub.attach(session);
    },
  });
}

/**
 * Adds devices to a live session. With a cursor, their missed messages are replayed first, in
 * order, and then they go live; the other devices continue meanwhile. Replayed messages carry no
 * id, because newer messages of other devices may have been sent already.
 */
export async function addToSession(
  hub: Hub,
  session: Session,
  named: Interest,
  { cursor, snapshot, signal, all }: ResumeOptions & { readonly all: Interest },
): Promise<void> {
  const replay = cursor === undefined ? undefined : await hub.fanout.since(cursor, named, signal);
  if (session.closed) return;
  const { startScheduler, fanout: { log } } = hub;
  if (cursor === undefined || replay === undefined || replay.status === "none") {
    hub.reattach(session, all);
    const liveFrom = log.position;
    if (snapshot && await nextStep(session, { startScheduler, signal })) {
      await sendSnapshot(hub, session, named, { signal, liveFrom });
    }
    if (replay) sendResumed(session, replay, 0, session.position(hub.cursor));
    return;
  }
  if (!await nextStep(session, { startScheduler, signal })) return;
  if (snapshot) await sendSnapshot(hub, session, named, { signal });
  if (session.closed) return;
  hub.reattach(session, all);
  session.hold(named, parseCursor(cursor)!.offset);
  try {
    await replayToHead(hub, session, replay, {
      signal,
      write: (step) => {
        session.replayWithoutIds(step);
        return step.length;
      },
      onHead: (replayed) => {
        session.release();
        sendResumed(session, replay, replayed, session.position(hub.cursor));
      },
    });
  } finally {
    session.release();
  }
}

interface ReplayOptions {
  /** Writes some messages; returns how many the socket took. */
  readonly write: (step: readonly Publication[]) => number;
  /** Called when everything up to `offset` is written. */
  readonly onWritten?: (offset: number) => void;
  /** Called in the turn in which everything up to the head is written. */
  readonly onHead: (replayed: number) => void;
  readonly signal: AbortSignal;
}

async function replayToHead(
  hub: Hub,
  session: Session,
  replay: Replay,
  options: ReplayOptions,
): Promise<void> {
  const { onWritten, onHead, signal } = options;
  const { startScheduler, fanout: { log } } = hub;
  const newest = session.mode.latest ? new Newest() : undefined;
  const next = () => nextStep(session, { startScheduler, signal });
  let replayed = 0;
  for (let caughtUp = false;;) {
    let found = await replay.next(STEP_BYTES);
    if (isGone(session, signal)) return;
    const atHead = () => replay.at === log.position;
    newest?.add(found);
    if (!newest || atHead()) {
      if (newest) found = newest.take();
      if (newest && caughtUp) {
        // Messages that arrived while the newest ones were written: the rate applies to them.
        onHead(replayed);
        return session.addAll(found);
      }
      replayed += found.length;
      if (!await writeAll(found, options.write, next)) return;
      onWritten?.(replay.at);
      if (atHead()) return onHead(replayed);
      caughtUp = true;
    }
    if (!await next()) return;
  }
}

/** The newest message of each device, in the order of the log. */
class Newest {
  readonly #byDevice = new Map<string, Publication>();

  add(publications: readonly Publication[]): void {
    for (const publication of publications) {
      this.#byDevice.delete(publication.deviceId);
      this.#byDevice.set(publication.deviceId, publication);
    }
  }

  take(): Publication[] {
    const taken = [...this.#byDevice.values()];
    this.#byDevice.clear();
    return taken;
  }
}

/** Writes some messages in steps; false if the client is gone. */
async function writeAll(
  publications: readonly Publication[],
  write: ReplayOptions["write"],
  next: () => Promise<boolean>,
): Promise<boolean> {
  for (let rest = publications; rest.length > 0;) {
    rest = rest.slice(write(oneStep(rest)));
    if (rest.length > 0 && !await next()) return false;
  }
  return true;
}

/** As many messages as fit in one step. */
function oneStep(publications: readonly Publication[]): readonly Publication[] {
  let bytes = 0;
  const end = publications.findIndex(({ payload }, i) =>
    i === STEP_MESSAGES || (bytes += payload.length) > STEP_BYTES && i > 0
  );
  return end < 0 ? publications : publications.slice(0, end);
}

function sendResumed(session: Session, { status }: Replay, replayed: number, id?: string): void {
  resumes.count(status);
  session.sink.event("resumed", JSON.stringify({ status, replayed }), id);
}
