/// <reference lib="dom" />
import { formatNumber, onLanguage } from "../shared/language.ts";
import type { TelecastState } from "../../../client/types.ts";
import { byId, element, setText } from "../shared/dom.ts";
import type { Fleet } from "./fleet/fleet.ts";
import type { LiveStream } from "./live_stream.ts";
import { text, type TextKey } from "./texts.ts";

const RATE_OVER_MS = 5_000;

type Figure = "vehicles" | "rate" | "latency" | "dropped" | "resumed";
const FIGURES: Record<Figure, { label: TextKey; help?: TextKey }> = {
  vehicles: { label: "figureVehicles", help: "vehiclesHelp" },
  rate: { label: "figureRate" },
  latency: { label: "figureLatency", help: "latencyHelp" },
  dropped: { label: "figureDropped", help: "droppedHelp" },
  resumed: { label: "figureResumed", help: "resumedHelp" },
};

/** The state of the stream, always visible. */
export class StatusBar {
  readonly #fleet: Fleet;
  readonly #pill = byId("connection");
  readonly #pillText = byId("connection-text");
  readonly #values = {} as Record<Figure, HTMLElement>;
  #state: TelecastState = { state: "idle" };
  #retryAt = 0;
  #samples: { at: number; messages: number }[] = [];

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
    for (const [name, { label, help }] of Object.entries(FIGURES)) {
      const term = element("dt");
      const value = element("dd", { id: `figure-${name}` });
      const group = element("div", { class: "figure" }, term, value);
      byId("figures").append(group);
      this.#values[name as Figure] = value;
      onLanguage(() => {
        term.textContent = text(label);
        if (help) group.title = text(help);
      });
    }
    onLanguage(() => this.#showState());
  }

  set state(state: TelecastState) {
    this.#state = state;
    if (state.state === "waiting") this.#retryAt = Date.now() + state.retryInMs;
    this.#showState();
  }

  refresh(stream: LiveStream): void {
    const { counts, lastResume, latencyMs } = stream;
    const { online, vehicles } = this.#fleet;
    const stale = vehicles.size - online;
    this.#show(
      "vehicles",
      stale > 0 ? `${formatNumber(online)} / ${formatNumber(vehicles.size)}` : formatNumber(online),
    );
    this.#show("rate", formatNumber(this.#rate(counts.messages), 1));
    this.#show(
      "latency",
      latencyMs === undefined ? "–" : `${formatNumber(latencyMs, latencyMs < 10 ? 1 : 0)} ms`,
    );
    this.#show("dropped", formatNumber(counts.dropped), counts.dropped > 0);
    const outcome = lastResume ? ` · ${text(lastResume)}` : "";
    const holes = lastResume === "partial" || lastResume === "none";
    this.#show("resumed", `${formatNumber(counts.resumed)}${outcome}`, holes);
    if (this.#state.state === "waiting") this.#showState();
  }

  #show(name: Figure, value: string, warns = false): void {
    setText(this.#values[name], value);
    this.#values[name].classList.toggle("warns", warns);
  }

  /** The connection's state in words. */
  get words(): string {
    const state = this.#state;
    const seconds = Math.max(0, Math.ceil((this.#retryAt - Date.now()) / 1000));
    const reason = state.state === "closed" ? state.reason : "";
    const transport = state.state === "open" && state.transport === "sse" ? " · SSE" : "";
    return text(state.state, { seconds, reason }) + transport;
  }

  #showState(): void {
    this.#pill.dataset.state = this.#state.state;
    setText(this.#pillText, this.words);
  }

  #rate(messages: number): number {
    const now = performance.now();
    this.#samples.push({ at: now, messages });
    while (this.#samples.length > 2 && now - this.#samples[0]!.at > RATE_OVER_MS) {
      this.#samples.shift();
    }
    const first = this.#samples[0]!;
    return now === first.at ? 0 : (messages - first.messages) * 1000 / (now - first.at);
  }
}
