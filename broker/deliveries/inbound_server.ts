/** Connections of peers that send in messages from people. */

import {
  type InboundHost,
  InboundPeer,
  type InboundTotals,
  type PeerSocket,
} from "./inbound_peer.ts";
import type { Inbox } from "./inbox.ts";

export interface InboundServerOptions {
  readonly inbox: Inbox;
  readonly maxMessageBytes: number;
  /** False if nothing handles the messages; true by default. */
  readonly isTaken?: boolean;
  /** Called for each message: false if too much work waits. */
  admit(): boolean;
}

/** Minimum delay before peers reconnect after a drain. */
const RECONNECT_MS = 1_000;

export class InboundServer implements InboundHost {
  readonly totals: InboundTotals = { received: 0, queued: 0, repeat: 0, refused: 0, overflowed: 0 };
  readonly peers: Set<InboundPeer> = new Set();
  waitingBytes = 0;

  constructor(private readonly options: InboundServerOptions) {}

  get inbox(): Inbox {
    return this.options.inbox;
  }

  get maxMessageBytes(): number {
    return this.options.maxMessageBytes;
  }

  get isTaken(): boolean {
    return this.options.isTaken ?? true;
  }

  admit(): boolean {
    return this.options.admit();
  }

  /** Adds an open connection; call {@linkcode InboundServer.close} when it is gone. */
  open(socket: PeerSocket): InboundPeer {
    const peer = new InboundPeer(socket, this);
    this.peers.add(peer);
    return peer;
  }

  close(peer: InboundPeer): void {
    peer.end();
    this.peers.delete(peer);
  }

  /** Answers what was received, within `seconds`, and tells every peer when to reconnect. */
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
