/** Ways to hold up the server; `clients/kinds.go` implements them. */

export interface Kind {
  /** Shown in the table of results. */
  readonly title: string;
  /** Devices with a last message, if the kind needs many. */
  readonly devices?: number;
  /** Payload length, if the system's buffers would absorb the usual payloads for minutes. */
  readonly bytes?: number;
  /** Needs TLS; HTTP/2 is served only over TLS. */
  readonly tls?: boolean;
}

export const KINDS: Readonly<Record<string, Kind>> = {
  "well-behaved": { title: "For comparison: reads the messages of ten devices" },
  "unread-ws": { title: "WebSocket, ten devices, reads nothing", bytes: 8_000 },
  "unread-sse": { title: "Server-Sent Events, ten devices, reads nothing", bytes: 8_000 },
  "unread-answers": { title: "Asks for 100 files, reads nothing" },
  "unread-replay": { title: "Resumes every device from an old cursor, reads nothing" },
  "silent": { title: "Connects, sends nothing" },
  "half-head": { title: "Sends half of the head of a stream request" },
  "drip-head": { title: "Sends the head of a stream request, a byte a second" },
  "half-other": { title: "Sends half of the head of another request" },
  "drip-body": { title: "Sends a body, a byte a second" },
  "idle": { title: "Sends one request, then nothing" },
  "half-frame": { title: "Sends a frame of 64 KiB without its end" },
  "drip-frame": { title: "Sends the end of that frame, a byte a second" },
  "ping-flood": { title: "Sends endless PINGs, reads nothing" },
  "ping-flood-read": { title: "Sends endless PINGs" },
  "pong-flood": { title: "Sends endless PONGs" },
  "commands-unread": { title: "Sends endless commands, reads nothing" },
  "commands-64k": { title: "Sends endless commands of 64 KiB" },
  "commands-64k-slow": { title: "Sends 50 commands of 64 KiB a second" },
  "fragments": { title: "Sends endless empty fragments" },
  "upload": { title: "Sends an endless body" },
  "upload-stream": { title: "Sends endless bytes on Server-Sent Events" },
  "subscribe-500": { title: "Subscribes to 500 ids of 100 characters repeatedly" },
  "old-cursor": { title: "Resumes from an old cursor repeatedly" },
  "cursor-commands": { title: "Asks for a replay of 100 devices repeatedly" },
  "snapshot": { title: "Asks for a snapshot of 20,000 devices repeatedly", devices: 20_000 },
  "half-handshake": { title: "Sends half a TLS handshake", tls: true },
  "handshakes": { title: "Makes TLS handshakes repeatedly", tls: true },
  "broken-tls": { title: "Sends plain bytes after the TLS handshake", tls: true },
  "h2-reset": { title: "HTTP/2: requests that are reset at once (rapid reset)", tls: true },
  "h2-continuation": { title: "HTTP/2: an endless head (CONTINUATION)", tls: true },
  "h2-settings": { title: "HTTP/2: endless SETTINGS, reads nothing", tls: true },
  "h2-ping": { title: "HTTP/2: endless PINGs, reads nothing", tls: true },
  "h2-empty": { title: "HTTP/2: endless empty DATA", tls: true },
  "h2-unread": { title: "HTTP/2: 100 streams on one connection, with a window of 0", tls: true },
  "connect": { title: "Connects and disconnects repeatedly" },
};
