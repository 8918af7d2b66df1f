/** Connections of peers that hand in messages from people. */

import { InboundPeer, type PeerSocket } from "./inbound_peer.ts";
import type { Inbox } from "./inbox.ts";

export interface InboundServerOptions {
  readonly inbox: Inbox;
  readonly maxMessageBytes: number;
  /** Asked for each message: false where too much work waits. */
  admit(): boolean;
}

export interface InboundTotals {
  /** Frames, good or bad. */
  received: number;
  /** Messages that became work. */
  queued: number;
  /** Messages that were known by their ids. */
  repeat: number;
  /** Frames that were no message, or too large. */
  refused: number;
  /** Connections that were closed as they did not wait for answers. */
  overflowed: number;
}

/** How long peers wait at least before they come back after a drain. */
const RECONNECT_MS = 1_000;

export class InboundServer {
  readonly totals: InboundTotals = { received: 0, queued: 0, repeat: 0, refused: 0, overflowed: 0 };
  readonly peers: Set<InboundPeer> = new Set();

  constructor(private readonly options: InboundServerOptions) {}

  get inbox(): Inbox {
    return this.options.inbox;
  }

  get maxMessageBytes(): number {
    return this.options.maxMessageBytes;
  }

  admit(): boolean {
    return this.options.admit();
  }

  /** A connection that is open; {@linkcode InboundServer.close} when it is gone. */
  open(socket: PeerSocket): InboundPeer {
    const peer = new InboundPeer(socket, this);
    this.peers.add(peer);
    return peer;
  }

  close(peer: InboundPeer): void {
    peer.end();
    this.peers.delete(peer);
  }

  /** Answers what was received, within `seconds`, and tells every peer when to come back. */
  async drain(seconds: number): Promise<void> {
    const late = AbortSignal.timeout(seconds * 1000);
    const spreadMs = Math.max(RECONNECT_MS, seconds * 1000);
    await Promise.all(
      [...this.peers].map((peer) =>
        peer.leave("drain", RECONNECT_MS + Math.floor(Math.random() * spreadMs), late)
      ),
    );
  }
}
