/** One event as a client of either transport saw it. */

export interface Received {
  readonly event: string;
  /** The data exactly as it came: JSON text, not parsed. */
  readonly data: string;
  /** The cursor; undefined where the event carried none. */
  readonly id: string | undefined;
  /** When it came, by `performance.now()`. */
  readonly at: number;
}

const FRAME = /^\{"event":"([^"]*)","data":([^]*?)(?:,"id":"([^"\\]*)")?\}$/;

/** Takes a WebSocket frame apart without touching its data; fails where its form is another. */
export function parseWsFrame(text: string, at = performance.now()): Received {
  const match = FRAME.exec(text);
  if (!match) throw new Error(`A frame has not the form of the contract: ${text.slice(0, 300)}`);
  return { event: match[1]!, data: match[2]!, id: match[3], at };
}

/** Splits a stream of text into server-sent events, as the HTML standard has it. */
export class SseParser {
  /** Comments, without their colon. */
  readonly comments: string[] = [];
  /** The last event id, also of blocks without data. */
  lastEventId: string | undefined;
  retryMs: number | undefined;
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
    else if (name === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
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
    return event;
  }
}
