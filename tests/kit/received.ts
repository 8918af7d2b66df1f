/** One event as a client saw it, on either transport. */

export interface Received {
  readonly event: string;
  /** The data exactly as it came: JSON text, not parsed. */
  readonly data: string;
  /** The cursor; undefined if the event carried none. */
  readonly id: string | undefined;
  /** When it arrived, by `performance.now()`. */
  readonly at: number;
}

const FRAME = /^\{"event":"([^"]*)","data":([^]*?)(?:,"id":"([^"\\]*)")?\}$/;

/** Parses a WebSocket frame without touching its data; fails if it breaks the contract's form. */
export function parseWsFrame(text: string, at = performance.now()): Received {
  const match = FRAME.exec(text);
  if (!match) throw new Error(`Not in the form of the contract: ${text.slice(0, 300)}`);
  return { event: match[1]!, data: match[2]!, id: match[3], at };
}

/** Splits a stream of text into server-sent events, as the HTML standard specifies. */
export class SseParser {
  /** Comments, without the colon. */
  readonly comments: string[] = [];
  /** The last event id, including ids from blocks without data. */
  lastEventId: string | undefined;
  retryMs: number | undefined;
  /** The `ping` in the block with `retry`, which is not among the events. */
  opening: Received | undefined;
  #opens = false;
  #rest = "";
  #event = "";
  #data: string[] = [];
  #id: string | undefined;

  /** The events that `text` completes. */
  push(text: string, at = performance.now()): Received[] {
    const events: Received[] = [];
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop()!;
    for (const line of lines) {
      const event = this.#line(line, at);
      if (event) events.push(event);
    }
    return events;
  }

  #line(line: string, at: number): Received | undefined {
    if (line === "") return this.#dispatch(at);
    const colon = line.indexOf(":");
    if (colon === 0) {
      this.comments.push(line.slice(1));
      return undefined;
    }
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") this.#event = value;
    else if (name === "data") this.#data.push(value);
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && /^\d+$/.test(value)) {
      this.retryMs = Number(value);
      this.#opens = true;
    }
    return undefined;
  }

  #dispatch(at: number): Received | undefined {
    const event = this.#data.length === 0 ? undefined : {
      event: this.#event || "message",
      data: this.#data.join("\n"),
      id: this.#id,
      at,
    };
    if (this.#id !== undefined) this.lastEventId = this.#id;
    this.#event = "";
    this.#data = [];
    this.#id = undefined;
    const isOpening = this.#opens && event?.event === "ping";
    this.#opens = false;
    if (!isOpening) return event;
    this.opening = event;
    return undefined;
  }
}
