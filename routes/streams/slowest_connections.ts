/** The connections that operators look for: those whose clients do not keep up. */

import type { Session } from "../../broker/streams/session.ts";

export interface ConnectionInfo {
  readonly transport: "ws" | "sse";
  /** The client's network, not its address. */
  readonly network: string;
  readonly age_seconds: number;
  /** How many devices it asked for; null for all of them, or for prefixes. */
  readonly devices: number | null;
  readonly mode: "all" | "latest";
  readonly sent: number;
  readonly dropped: number;
  readonly queued_messages: number;
  readonly queued_bytes: number;
  /** Written but not yet taken by the socket. */
  readonly unsent_bytes: number;
}

/** At most `max`, slowest first: by bytes waiting for them, then by messages dropped. */
export function slowest(sessions: Iterable<Session>, max: number): ConnectionInfo[] {
  const found: { session: Session; waiting: number }[] = [];
  for (const session of sessions) {
    const waiting = session.queued.bytes + Math.max(0, session.sink.buffered);
    const item = { session, waiting };
    const last = found.at(-1);
    if (found.length === max && last && !isSlower(item, last)) continue;
    const at = found.findIndex((other) => isSlower(item, other));
    found.splice(at < 0 ? found.length : at, 0, item);
    if (found.length > max) found.pop();
  }
  return found.map(({ session }) => describe(session));
}

function isSlower(
  a: { session: Session; waiting: number },
  b: { session: Session; waiting: number },
): boolean {
  return a.waiting === b.waiting ? a.session.dropped > b.session.dropped : a.waiting > b.waiting;
}

function describe(session: Session): ConnectionInfo {
  const { sink, interest, mode, queued } = session;
  return {
    transport: sink.transport,
    network: session.network,
    age_seconds: Math.round((performance.now() - session.openedAt) / 1000),
    devices: interest.all || interest.prefixes.length > 0 ? null : interest.ids.size,
    mode: mode.latest ? "latest" : "all",
    sent: session.sent,
    dropped: session.dropped,
    queued_messages: queued.messages,
    queued_bytes: queued.bytes,
    unsent_bytes: Math.max(0, sink.buffered),
  };
}
