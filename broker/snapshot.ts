/** The last known message of each device, for a client that begins to look. */

import type { Hub } from "./hub.ts";
import type { Interest } from "./interest.ts";
import type { Publication } from "./message.ts";
import type { MessageLog } from "./message_log.ts";
import { isGone, STEP_MESSAGES, turn, writable } from "./pace.ts";
import type { Session } from "./session.ts";

/** The last message of each device that was published up to now, as `snapshot` events. */
export async function sendSnapshot(
  hub: Hub,
  session: Session,
  interest: Interest,
  { signal, isLive = false }: { signal: AbortSignal; isLive?: boolean },
): Promise<void> {
  const log = hub.fanout.log;
  const upTo = log.position;
  let count = 0;
  const isTimeToRest = () => ++count % STEP_MESSAGES === 0 || session.sink.full;
  const rest = async () => {
    await turn();
    await writable(session, signal);
  };
  for (const last of lastOf(log, interest)) {
    let publication: Publication | undefined = last;
    while (publication && publication.offset > upTo) {
      // To a live client that one went out; else it is replayed after what was known before it.
      publication = isLive ? undefined : log.previousOf(publication);
    }
    if (!publication) continue;
    session.sink.event("snapshot", publication.payload);
    if (isTimeToRest()) await rest();
    if (isGone(session, signal)) return;
  }
  if (!session.mode.presence) return;
  for (const { deviceId } of lastOf(log, interest)) {
    session.writePresence(deviceId, hub.presence.of(deviceId));
    if (isTimeToRest()) await rest();
    if (isGone(session, signal)) return;
  }
}

function* lastOf(log: MessageLog, interest: Interest): Generator<Publication> {
  if (!interest.all && interest.prefixes.length === 0) {
    for (const id of interest.ids) {
      const last = log.lastOf(id);
      if (last) yield last;
    }
    return;
  }
  for (const last of log.lastOfAll()) if (interest.matches(last.deviceId)) yield last;
}
