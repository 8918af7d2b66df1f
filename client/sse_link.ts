import type { Ending, Frame, Link, LinkHandlers } from "./link.ts";

/** Opens the stream as Server-Sent Events, using fetch: it can send headers, and see a 401. */
export function openSse(
  url: URL,
  options: { fetch: typeof fetch; token: string | undefined; handlers: LinkHandlers },
): Link {
  const address = new URL(url);
  address.protocol = url.protocol.replace("ws", "http");
  const abort = new AbortController();
  let closedFor: string | undefined;
  const ended = read(address, options, abort.signal).then((ending) =>
    closedFor === undefined ? ending : { ...ending, reason: closedFor }
  );
  return {
    transport: "sse",
    ended,
    send: () => false,
    close(reason) {
      closedFor ??= reason;
      abort.abort();
    },
  };
}

const MAX_PROBLEM_CHARS = 65_536;

async function read(
  url: URL,
  { fetch, token, handlers }: Parameters<typeof openSse>[1],
  signal: AbortSignal,
): Promise<Ending> {
  let opened = false;
  try {
    const headers = new Headers({ accept: "text/event-stream" });
    if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
    const response = await fetch(url, { headers, signal, cache: "no-store" });
    const type = response.headers.get("content-type") ?? "";
    if (!response.ok || !type.startsWith("text/event-stream") || !response.body) {
      return await refusal(response);
    }
    opened = true;
    handlers.onHeard();
    handlers.onOpen();
    const parser = new SseParser((frame) => {
      if (!signal.aborted) handlers.onFrame(frame);
    }, handlers.onGarbage);
    const decoder = new TextDecoder();
    // A reader, since Safari's streams are not iterable.
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || signal.aborted) break;
      handlers.onHeard();
      parser.push(decoder.decode(value, { stream: true }));
    }
    return { opened, reason: "the server ended the stream" };
  } catch (error) {
    return { opened, reason: error instanceof Error ? error.message : String(error) };
  }
}

async function refusal(response: Response): Promise<Ending> {
  const body = await startOf(response).catch(() => "");
  const retryAfter = Number(response.headers.get("retry-after") ?? NaN);
  let problem: Ending["problem"];
  try {
    const { code, detail, title } = JSON.parse(body);
    if (typeof code === "string") problem = { code, message: String(detail ?? title ?? code) };
  } catch {
    // A proxy's page, not the server's answer: only the status is known.
  }
  return {
    opened: false,
    status: response.status,
    reason: problem?.message ?? `HTTP ${response.status}`,
    problem,
    retryAfterMs: Number.isFinite(retryAfter) ? retryAfter * 1000 : undefined,
  };
}

/** The start of a body of any size: a problem document is small. */
async function startOf(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (!reader) return "";
  const decoder = new TextDecoder();
  let text = "";
  while (text.length < MAX_PROBLEM_CHARS) {
    const { done, value } = await reader.read();
    if (done) return text;
    text += decoder.decode(value, { stream: true });
  }
  reader.cancel().catch(() => {});
  return text;
}

/** Splits text into events, as the HTML standard defines (Server-sent events, 9.2.6). */
export class SseParser {
  readonly #onFrame: (frame: Frame) => void;
  readonly #onGarbage: (text: string) => void;
  #rest = "";
  #event = "";
  #data: string | undefined;
  #id: string | undefined;

  constructor(onFrame: (frame: Frame) => void, onGarbage: (text: string) => void) {
    this.#onFrame = onFrame;
    this.#onGarbage = onGarbage;
  }

  push(text: string): void {
    // A CR at the very end may be half of a CR LF.
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop()!;
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "data") this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`;
    else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
  }

  #dispatch(): void {
    const [event, data, id] = [this.#event || "message", this.#data, this.#id];
    this.#event = "";
    this.#data = this.#id = undefined;
    if (data === undefined) {
      // An id alone gives the position of a stream that has had no message yet.
      if (id) this.#onFrame({ event: "ping", data: undefined, id });
      return;
    }
    let parsed: unknown;
    try {
      parsed = JSON.parse(data);
    } catch {
      return this.#onGarbage(data);
    }
    this.#onFrame({ event, data: parsed, id: id || undefined });
  }
}
