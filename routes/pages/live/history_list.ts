/// <reference lib="dom" />
import { element } from "../shared/dom.ts";
import { formatClock, formatNumber } from "../shared/language.ts";
import { visibleJson } from "../shared/unseen.ts";
import { parseDeviceTime } from "./history.ts";
import { readPayload } from "./fleet/reading.ts";
import { text } from "./texts.ts";

const MAX_MESSAGES = 100;

/** The messages of one device, newest first, each with its time and a summary. */
export class HistoryList {
  readonly node: HTMLElement = element("ol", { class: "history" });
  /** Messages that arrived before the older ones were read, which may include them. */
  readonly #early = new Set<string>();
  #complete = false;

  /** Adds a message at the top. */
  add(payload: unknown): void {
    if (!this.#complete) this.#early.add(JSON.stringify(payload));
    this.node.prepend(item(payload));
    this.#shorten();
  }

  /** Adds messages older than all others at the bottom; the argument is oldest first. */
  addOlder(payloads: readonly unknown[]): void {
    const older = payloads.slice(-MAX_MESSAGES)
      .filter((payload) => !this.#early.has(JSON.stringify(payload)));
    this.node.append(...older.reverse().map(item));
    this.#complete = true;
    this.#early.clear();
    this.#shorten();
  }

  clear(): void {
    this.node.replaceChildren();
    this.#complete = false;
    this.#early.clear();
  }

  #shorten(): void {
    while (this.node.childElementCount > MAX_MESSAGES) this.node.lastElementChild!.remove();
  }
}

function item(payload: unknown): HTMLElement {
  const raw = element("pre", { class: "raw", tabindex: 0 });
  const details = element("details", {}, element("summary", {}, summary(payload)), raw);
  // Filled in when it is opened: a hundred messages are long.
  details.addEventListener("toggle", () => raw.textContent ||= visibleJson(payload));
  return element("li", {}, details);
}

function summary(payload: unknown): string {
  const { deviceTime, speed, position, alarm } = readPayload(payload);
  const time = parseDeviceTime(deviceTime);
  const words = [
    time === undefined ? deviceTime ?? "–" : formatClock(time),
    alarm?.kind,
    speed === undefined ? undefined : `${formatNumber(speed)} km/h`,
    position && `${position.latitude.toFixed(4)}, ${position.longitude.toFixed(4)}`,
  ].filter((word) => word !== undefined);
  return words.length > 1 ? words.join(" · ") : `${words[0]} · ${text("message")}`;
}
