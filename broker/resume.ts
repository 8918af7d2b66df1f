/** What a client gets before it is live: a snapshot, then what it missed. */

import { JoinedEvents } from "./client_frame.ts";
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
  let replayed = 0;
  for (;;) {
    await writable(session, signal);
    const found = await replay.next(STEP_BYTES);
    if (session.closed || signal.aborted) return;
    replayed += found.length;
    await writeAll(session, found, signal);
    if (session.closed || signal.aborted) return;
    session.reach(hub.cursor(replay.at));
    // Attached only where nothing was awaited since the log was read to its end.
    if (replay.at === hub.fanout.log.position) break;
    await turn();
  }
  if (cursor !== undefined) {
    const data = JSON.stringify({ status: replay.status, replayed });
    session.sink.event("resumed", data, hub.cursor());
  }
  hub.attach(session);
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
