import type { Transport } from "./types.ts";

/** One event of the stream, over either transport. */
export interface Frame {
  readonly event: string;
  readonly data: unknown;
  readonly id: string | undefined;
}

/** What a connection reports to its owner. */
export interface LinkHandlers {
  /** The server has accepted the connection. */
  onOpen(): void;
  onFrame(frame: Frame): void;
  /** Anything arrived: the connection is alive. */
  onHeard(): void;
  /** Something arrived that is not a frame. */
  onGarbage(text: string): void;
}

/** How a connection ended. */
export interface Ending {
  readonly opened: boolean;
  readonly reason: string;
  /** Status of an HTTP answer that was not a stream. */
  readonly status?: number | undefined;
  /** Close code of a WebSocket. */
  readonly closeCode?: number | undefined;
  /** The `code` and `detail` of a problem document. */
  readonly problem?: { readonly code: string; readonly message: string } | undefined;
  readonly retryAfterMs?: number | undefined;
}

/** One connection, from its first attempt to its end. */
export interface Link {
  readonly transport: Transport;
  /** Resolves once, never rejects. */
  readonly ended: Promise<Ending>;
  /** Sends a command; false if this transport takes none, or it is not open. */
  send(command: object): boolean;
  close(reason: string): void;
}
