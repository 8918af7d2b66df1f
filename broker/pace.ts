/** What is written beside the live messages goes out in steps, at the pace of the client. */

import type { Session } from "./session.ts";

/** Bytes and messages that are read, and then written, in one go. */
export const STEP_BYTES = 262_144;
export const STEP_MESSAGES = 512;
const FULL_SOCKET_MS = 5;

export function isGone(session: Session, signal: AbortSignal): boolean {
  return session.closed || signal.aborted;
}

/** Resolves once the socket takes more, or the client is gone. */
export async function writable(session: Session, signal: AbortSignal): Promise<void> {
  const { sink } = session;
  while (sink.full && !isGone(session, signal)) {
    await new Promise<void>((resolve) => {
      const tells = sink.buffered > 0 && sink.whenTaken(resolve);
      if (!tells) setTimeout(resolve, FULL_SOCKET_MS);
    });
  }
}

/** Lets everything else that is due go first. */
export function turn(ms = 0): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
