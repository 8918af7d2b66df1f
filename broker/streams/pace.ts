/** What is written beside the live messages goes out in steps, at the pace of the client. */

import type { Session } from "./session.ts";
import type { StartScheduler } from "./start_scheduler.ts";

/** Bytes and messages that are read, and then written, in one go. */
export const STEP_BYTES = 262_144;
export const STEP_MESSAGES = 512;
/** How often a socket is looked at that cannot tell when it takes more. */
const LOOK_MS = 5;

export function isGone(session: Session, signal: AbortSignal): boolean {
  return session.closed || signal.aborted;
}

/** A session that is not live gets one step at a time, so that a client that reads nothing holds no more. */
function mustWait({ sink, live }: Session): boolean {
  return sink.full || !live && sink.buffered > 0;
}

/** Resolves once the socket takes more, or the client is gone. */
export async function writable(session: Session, signal: AbortSignal): Promise<void> {
  const { sink } = session;
  while (mustWait(session) && !isGone(session, signal)) {
    await new Promise<void>((resolve) => {
      const tells = sink.buffered > 0 && sink.whenTaken(resolve);
      if (!tells) setTimeout(resolve, LOOK_MS);
    });
  }
}

/** Before each step: waits for the socket, then for a turn. False where the client is gone. */
export async function nextStep(
  session: Session,
  { startScheduler, signal }: { startScheduler: StartScheduler; signal: AbortSignal },
): Promise<boolean> {
  do {
    await writable(session, signal);
    // Last, since the sockets of many may have room again in the same moment.
    await startScheduler.pass();
  } while (mustWait(session) && !isGone(session, signal));
  return !isGone(session, signal);
}
