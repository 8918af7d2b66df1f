/// <reference lib="dom" />
import { element, setText } from "./dom.ts";
import type { LiveStream } from "./live_stream.ts";
import { text } from "./texts.ts";

/** Sends a command to one device. */
export class CommandForm {
  readonly node: HTMLElement;
  readonly #input = element("textarea", {
    id: "command-input",
    rows: 3,
    spellcheck: "false",
    "aria-describedby": "command-help command-outcome",
  });
  readonly #outcome = element("p", { id: "command-outcome", class: "outcome", role: "status" });

  constructor(deviceId: string, api: LiveStream["api"]) {
    this.#input.value = '{"action":""}';
    const send = element("button", { type: "submit", class: "button primary" }, text("send"));
    this.node = element(
      "form",
      { class: "command" },
      element("label", { for: "command-input" }, text("commandLabel")),
      element("p", { id: "command-help", class: "help" }, text("commandHelp")),
      this.#input,
      send,
      this.#outcome,
    );
    this.node.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!isJsonObject(this.#input.value)) return this.#tell(text("notJson"), true);
      send.disabled = true;
      await this.#send(`devices/${encodeURIComponent(deviceId)}/commands`, api);
      send.disabled = false;
    });
  }

  async #send(path: string, api: LiveStream["api"]): Promise<void> {
    try {
      const response = await api(path, {
        method: "POST",
        body: this.#input.value,
        headers: { "content-type": "application/json" },
      });
      if (response.ok) return this.#tell(text(response.status === 202 ? "buffered" : "sent"));
      const problem = await response.json().catch(() => ({}));
      const reason = problem.detail ?? problem.title ?? `HTTP ${response.status}`;
      this.#tell(text("notSent", { reason }), true);
    } catch (error) {
      this.#tell(text("notSent", { reason: String(error) }), true);
    }
  }

  #tell(words: string, wrong = false): void {
    setText(this.#outcome, words);
    this.#outcome.classList.toggle("wrong", wrong);
  }
}

function isJsonObject(input: string): boolean {
  try {
    const value = JSON.parse(input);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
