/** Sends the last known message of each device to a client that starts to watch. */

import type { Hub } from "./hub.ts";
import type { Interest } from "../messages/interest.ts";
import type { Publication } from "../messages/message.ts";
import type { MessageLog } from "../log/message_log.ts";
import { isGone, nextStep, STEP_BYTES, STEP_MESSAGES } from "./pace.ts";
import { presenceText, type Session } from "./session.ts";

/** Time limit of a step, which also checks devices that the client did not ask for. */
const STEP_MS = 2;
/** Devices between two checks of the clock. */
const CLOCK_DEVICES = 64;

export interface SnapshotOptions {
  readonly signal: AbortSignal;
  /** The client got everything after this offset live; undefined: nothing yet. */
  readonly liveFrom?: number;
}

/** The last message of each device that was published up to now, as `snapshot` events. */
export async function sendSnapshot(
  hub: Hub,
  session: Session,
  interest: Interest,
  options: SnapshotOptions,
): Promise<void> {
  const { liveFrom, signal } = options;
  const log = hub.fanout.log;
  const upTo = liveFrom ?? log.position;
  const known = (last: Publication): string | undefined => {
    let publication: Publication | undefined = last;
    while (publication && publication.offset > upTo) {
      // A live client already has that one; otherwise the replay sends it after the older one.
      publication = liveFrom === undefined ? log.previousOf(publication) : undefined;
    }
    return publication?.payload;
  };
  const presence = ({ deviceId }: Publication) => presenceText(deviceId, hub.presence.of(deviceId));
  await sendEach(hub, session, { interest, name: "snapshot", data: known, signal });
  if (!session.mode.presence || isGone(session, signal)) return;
  await sendEach(hub, session, { interest, name: "presence", data: presence, signal });
}

interface EachOptions {
  readonly interest: Interest;
  /** Name of the events. */
  readonly name: string;
  /** JSON text for a device, made from its last message; undefined for no event. */
  readonly data: (last: Publication) => string | undefined;
  readonly signal: AbortSignal;
}

/** Sends an event for each device of interest, in steps of one write each. */
async function sendEach(
  hub: Hub,
  session: Session,
  { interest, name, data, signal }: EachOptions,
): Promise<void> {
  let step: string[] = [];
  let bytes = 0;
  let looked = 0;
  let endsAt = performance.now() + STEP_MS;
  for (const last of candidates(hub.fanout.log, interest)) {
    const text = interest.matches(last.deviceId) ? data(last) : undefined;
    if (text !== undefined) {
      step.push(text);
      bytes += text.length;
    }
    const isLate = ++looked % CLOCK_DEVICES === 0 && performance.now() >= endsAt;
    if (!isLate && step.length < STEP_MESSAGES && bytes < STEP_BYTES) continue;
    if (step.length > 0) session.sink.events(name, step);
    if (!await nextStep(session, { startScheduler: hub.startScheduler, signal })) return;
    step = [];
    bytes = 0;
    endsAt = performance.now() + STEP_MS;
  }
  if (step.length > 0) session.sink.events(name, step);
}

/** Last messages that include all of interest; safe to read while the log grows. */
function* candidates(log: MessageLog, interest: Interest): Iterable<Publication> {
  if (interest.all || interest.prefixes.length > 0) return yield* log.lastOfAll();
  for (const id of interest.ids) {
    const last = log.lastOf(id);
    if (last) yield last;
  }
}
