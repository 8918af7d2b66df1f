/** Ways to hold the server up; `clients/kinds.go` does them. */

export interface Kind {
  /** As the table of docs/security.md has it. */
  readonly title: string;
  /** Devices with a last message, where it takes more of them. */
  readonly devices?: number;
  /** Length of a payload, where the system's buffers would take the usual ones for minutes. */
  readonly bytes?: number;
  /** Of HTTP/2, which is spoken over TLS alone. */
  readonly tls?: boolean;
}

export const KINDS: Readonly<Record<string, Kind>> = {
  "well-behaved": { title: "For comparison: reads the messages of ten devices" },
  "unread-ws": { title: "WebSocket, ten devices, reads nothing", bytes: 8_000 },
  "unread-sse": { title: "Server-Sent Events, ten devices, reads nothing", bytes: 8_000 },
  "unread-answers": { title: "Asks for 100 files, reads nothing" },
  "unread-replay": { title: "Resumes every device with an old cursor, reads nothing" },
  "silent": { title: "Connects, sends nothing" },
  "half-head": { title: "Half a head of a stream" },
  "drip-head": { title: "A head of a stream, a byte a second" },
  "half-other": { title: "Half a head of another request" },
  "drip-body": { title: "A body, a byte a second" },
  "idle": { title: "One request, then nothing" },
  "half-frame": { title: "A frame of 64 KiB but for its end" },
  "drip-frame": { title: "The end of that frame, a byte a second" },
  "ping-flood": { title: "PINGs without end, reads nothing" },
  "ping-flood-read": { title: "PINGs without end" },
  "pong-flood": { title: "PONGs without end" },
  "commands-unread": { title: "Commands without end, reads nothing" },
  "commands-64k": { title: "Commands of 64 KiB without end" },
  "commands-64k-slow": { title: "Commands of 64 KiB, 50 a second" },
  "fragments": { title: "Empty fragments without end" },
  "upload": { title: "A body without end" },
  "upload-stream": { title: "Bytes without end on Server-Sent Events" },
  "subscribe-500": { title: "Subscribes to 500 ids of 100 characters again and again" },
  "old-cursor": { title: "Resumes with an old cursor again and again" },
  "cursor-commands": { title: "Asks for a replay of 100 devices again and again" },
  "snapshot": { title: "A snapshot of 20,000 devices again and again", devices: 20_000 },
  "half-handshake": { title: "Half a TLS handshake", tls: true },
  "handshakes": { title: "TLS handshakes again and again", tls: true },
  "broken-tls": { title: "TLS, then bytes that are none", tls: true },
  "h2-reset": { title: "HTTP/2: requests that are reset at once (rapid reset)", tls: true },
  "h2-continuation": { title: "HTTP/2: a head without end (CONTINUATION)", tls: true },
  "h2-settings": { title: "HTTP/2: SETTINGS without end, reads nothing", tls: true },
  "h2-ping": { title: "HTTP/2: PINGs without end, reads nothing", tls: true },
  "h2-empty": { title: "HTTP/2: empty DATA without end", tls: true },
  "h2-unread": { title: "HTTP/2: 100 streams in one connection, with a window of 0", tls: true },
  "connect": { title: "Connects and goes, again and again" },
};
