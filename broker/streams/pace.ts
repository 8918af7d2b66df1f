/** Paces what is written besides live messages: in steps, as fast as the client reads. */

import type { Session } from "./session.ts";
import type { StartScheduler } from "./start_scheduler.ts";

/** Maximum bytes and messages that are read, and then written, in one step. */
export const STEP_BYTES = 65_536;
export const STEP_MESSAGES = 512;
/** Poll interval for sockets that cannot signal when they take more. */
const LOOK_MS = 5;

export function isGone(session: Session, signal: AbortSignal): boolean {
  return session.closed || signal.aborted;
}

/** A session that is not live gets one step at a time, to limit what a stalled client holds. */
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

/** Call before each step: waits for the socket, then for a turn. False if the client is gone. */
export async function nextStep(
  session: Session,
  { startScheduler, signal }: { startScheduler: StartScheduler; signal: AbortSignal },
): Promise<boolean> {
  do {
    await writable(session, signal);
    // Last, because many sockets may have room again at the same moment.
    await startScheduler.pass();
  } while (mustWait(session) && !isGone(session, signal));
  return !isGone(session, signal);
}
