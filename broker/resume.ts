/** What a client gets before it is live: a snapshot, then what it missed. */

import { JoinedEvents } from "./client_frame.ts";
import type { Replay } from "./fanout.ts";
import type { Hub } from "./hub.ts";
import type { Interest } from "./interest.ts";
import { parseCursor, type Publication } from "./message.ts";
import type { Session } from "./session.ts";

export interface ResumeOptions {
  /** Everything kept after it comes first. */
  readonly cursor?: string | undefined;
  /** The last known message of each device comes before everything else. */
  readonly snapshot?: boolean | undefined;
  readonly signal: AbortSignal;
}

/** Bytes of messages that are read, and then written, in one go. */
const STEP_BYTES = 262_144;
const STEP_MESSAGES = 512;
const FULL_SOCKET_MS = 5;

/**
 * Brings a new session to the head of the log and attaches it there, in the turn in which nothing
 * lies between: no gap, no repeat, and nothing held back for it meanwhile.
 */
export async function beginSession(
  hub: Hub,
  session: Session,
  { cursor, snapshot, signal }: ResumeOptions,
): Promise<void> {
  const start = hub.cursor();
  session.sink.open(cursor === undefined ? start : undefined);
  if (cursor === undefined && !snapshot) return hub.attach(session);
  session.reach(cursor === undefined ? start : parseCursor(cursor) && cursor);
  if (snapshot) await sendSnapshot(hub, session, session.interest, signal);
  const replay = await hub.fanout.since(cursor ?? start, session.interest, signal);
  await replayToHead(hub, session, replay, {
    signal,
    write: async (found) => {
      await writeAll(session, found, signal);
      session.reach(hub.cursor(replay.at));
    },
    onHead: (replayed) => {
      if (cursor !== undefined) sendResumed(session, replay, replayed, hub.cursor());
      hub.attach(session);
    },
  });
}

/**
 * Brings more devices to a live session: what was missed of them first, while the others go on, and
 * then live, in order. The messages carry no id, since newer ones of others may be out already.
 */
export async function addToSession(
  hub: Hub,
  session: Session,
  named: Interest,
  { cursor, snapshot, signal, all }: ResumeOptions & { readonly all: Interest },
): Promise<void> {
  if (cursor === undefined && !snapshot) return hub.reattach(session, all);
  hub.reattach(session, session.interest.without(named));
  session.replaying = true;
  try {
    const start = hub.cursor();
    if (snapshot) await sendSnapshot(hub, session, named, signal);
    const replay = await hub.fanout.since(cursor ?? start, named, signal);
    await replayToHead(hub, session, replay, {
      signal,
      write: async (found) => {
        for (const { payload } of found) session.sink.event("message", payload);
        await writable(session, signal);
      },
      onHead: (replayed) => {
        if (cursor !== undefined) sendResumed(session, replay, replayed);
        hub.reattach(session, all);
      },
    });
  } finally {
    session.replaying = false;
  }
}

/** Calls `onHead` in the turn in which nothing lies between what was written and the head. */
async function replayToHead(
  hub: Hub,
  session: Session,
  replay: Replay,
  { write, onHead, signal }: {
    write: (found: readonly Publication[]) => Promise<void>;
    onHead: (replayed: number) => void;
    signal: AbortSignal;
  },
): Promise<void> {
  let replayed = 0;
  for (;;) {
    await writable(session, signal);
    const found = await replay.next(STEP_BYTES);
    if (session.closed || signal.aborted) return;
    replayed += found.length;
    await write(found);
    if (session.closed || signal.aborted) return;
    if (replay.at === hub.fanout.log.position) return onHead(replayed);
    await turn();
  }
}

function sendResumed(session: Session, { status }: Replay, replayed: number, id?: string): void {
  session.sink.event("resumed", JSON.stringify({ status, replayed }), id);
}

/** The last message of each device that was published up to now, as `snapshot` events. */
export async function sendSnapshot(
  hub: Hub,
  session: Session,
  interest: Interest,
  signal: AbortSignal,
): Promise<void> {
  const log = hub.fanout.log;
  const upTo = log.position;
  let count = 0;
  for (const last of lastOf(log, interest)) {
    // What came meanwhile is replayed after the snapshot: show what was known when it began.
    let publication: Publication | undefined = last;
    while (publication && publication.offset > upTo) publication = publication.previous;
    if (!publication) continue;
    session.sink.event("snapshot", publication.payload);
    if (session.mode.presence) {
      session.presence(publication.deviceId, hub.presence.of(publication.deviceId));
    }
    if (++count % STEP_MESSAGES !== 0) continue;
    await turn();
    await writable(session, signal);
    if (session.closed || signal.aborted) return;
  }
}

function* lastOf(log: Hub["fanout"]["log"], interest: Interest): Generator<Publication> {
  if (!interest.all && interest.prefixes.length === 0) {
    for (const id of interest.ids) {
      const last = log.lastOf(id);
      if (last) yield last;
    }
    return;
  }
  for (const last of log.lastOfAll()) if (interest.matches(last.deviceId)) yield last;
}

async function writeAll(
  session: Session,
  publications: readonly Publication[],
  signal: AbortSignal,
): Promise<void> {
  let rest = publications;
  while (rest.length > 0) {
    rest = rest.slice(session.replay(rest, new JoinedEvents()));
    if (rest.length === 0) return;
    await writable(session, signal);
    if (session.closed || signal.aborted) return;
  }
}

/** Resolves once the socket takes more, or the client is gone. */
async function writable(session: Session, signal: AbortSignal): Promise<void> {
  while (session.sink.full && !session.closed && !signal.aborted) await turn(FULL_SOCKET_MS);
}

/** Lets everything else that is due go first. */
function turn(ms = 0): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
